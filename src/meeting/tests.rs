//! Meetings of several shards in one process, and all that can keep them from meeting.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};

use super::*;

const SHORT: Duration = Duration::from_millis(400);
/// Enough on a busy machine, too.
const LONG: Duration = Duration::from_secs(60);

fn go_on() -> bool {
    false
}

fn place(dir: &Path) -> Place {
    Place::parse(dir.to_str().unwrap()).unwrap()
}

fn meeting(index: u32, of: u32, timeout: Duration) -> Meeting {
    Meeting {
        shard: Shard::new(index, of).unwrap(),
        workers: 2,
        plan: "ab".repeat(32),
        host: Some("h".to_owned()),
        slot: Duration::from_secs(12),
        lead: Duration::from_secs(5),
        timeout,
    }
}

fn comes<'s>(
    scope: &'s Scope<'s, '_>,
    dir: &'s Path,
    meeting: Meeting,
) -> ScopedJoinHandle<'s, Result<Met, MeetError>> {
    scope.spawn(move || meet(&place(dir), &meeting, &go_on))
}

/// What each of several shards that come at once gets.
fn all_come(dir: &Path, meetings: Vec<Meeting>) -> Vec<Result<Met, MeetError>> {
    std::thread::scope(|scope| {
        let all: Vec<_> = meetings
            .into_iter()
            .map(|one| comes(scope, dir, one))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// The same message of all.
fn refused(dir: &Path, meetings: Vec<Meeting>) -> String {
    let ends = all_come(dir, meetings);
    let mut said: Vec<String> = ends
        .into_iter()
        .map(|end| end.unwrap_err().to_string())
        .collect();
    let place = dir.to_str().unwrap();
    assert!(said.iter().all(|text| text.contains(place)), "{said:?}");
    said.dedup();
    assert_eq!(said.len(), 1, "{said:#?}");
    said.remove(0)
}

#[test]
fn shards_that_all_come_agree_on_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let before = SystemTime::now();
    let met = all_come(
        dir.path(),
        (0..12)
            .map(|index| Meeting {
                // Of two hosts, and one that has no name for itself.
                host: ["a", "b", ""]
                    .get(index as usize % 3)
                    .filter(|host| !host.is_empty())
                    .map(|host| (*host).to_owned()),
                ..meeting(index, 12, LONG)
            })
            .collect(),
    );
    let met: Vec<Met> = met.into_iter().map(Result::unwrap).collect();
    let start = &met[0].start;
    assert!(met.iter().all(|one| one.start == *start));
    let attempts: Vec<_> = met.iter().map(|one| one.attempt.clone()).collect();
    assert_eq!(start.attempts, attempts);
    let before_on_host: Vec<u32> = met.iter().map(|one| one.before).collect();
    assert_eq!(before_on_host, [0, 0, 0, 1, 1, 0, 2, 2, 0, 3, 3, 0]);
    assert_eq!(
        (start.of, start.workers, start.slot_ns),
        (12, 2, 12_000_000_000)
    );
    assert!(start.at >= before + Duration::from_secs(5));
    assert!(start.at <= SystemTime::now() + Duration::from_secs(5));
    for one in &met {
        let (offset, error) = (
            one.clock.offset_ns.unwrap(),
            one.clock.offset_error_ns.unwrap(),
        );
        assert!(
            offset.unsigned_abs() <= error + 1_000_000,
            "{offset} ± {error}"
        );
    }
    let place = place(dir.path());
    let patience = Patience::new(LONG, &go_on);
    assert_eq!(place.start(&patience).unwrap().as_ref(), Some(start));
    // No hidden file is left over.
    let names = |folder: &str| fs::read_dir(dir.path().join(folder)).unwrap().count();
    assert_eq!((names(""), names("meet")), (2, 12));
}

#[test]
fn results_are_put_once_and_listed_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(dir.path());
    let patience = Patience::new(LONG, &go_on);
    assert!(place.results(&patience).unwrap().is_empty());
    let shard = |index| Shard::new(index, 11).unwrap();
    for index in [10, 2, 0] {
        place
            .put_result(shard(index), vec![b'0'; 3], &patience)
            .unwrap();
    }
    for other in [".putting-x", "x.json", "03.json", "+4.json", "5.json.old"] {
        fs::write(dir.path().join("shards").join(other), "").unwrap();
    }
    assert_eq!(place.results(&patience).unwrap(), [0, 2, 10]);
    // The very same is what a try left whose answer was lost.
    place
        .put_result(shard(2), vec![b'0'; 3], &patience)
        .unwrap();
    let error = place
        .put_result(shard(2), vec![b'1'; 4], &patience)
        .unwrap_err();
    assert!(
        error.to_string().contains("a result of shard 2/11 already"),
        "{error}"
    );
    assert_eq!(place.result(2, 3, &patience).unwrap().unwrap(), b"000");
    assert_eq!(place.result(1, 3, &patience).unwrap(), None);
    let error = place.result(2, 2, &patience).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot read shards/2.json at /"),
        "{error}"
    );
}

#[test]
fn a_shard_that_never_comes_ends_the_run_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let said = refused(dir.path(), vec![meeting(0, 4, SHORT), meeting(2, 4, SHORT)]);
    assert!(said.contains("2 of 4 shards came within 4"), "{said}");
    assert!(
        said.contains("; missing: shards 1 and 3; look at the output of those"),
        "{said}"
    );
    // One that comes too late is told at once.
    let begun = Instant::now();
    let late = refused(dir.path(), vec![meeting(1, 4, LONG)]);
    assert!(begun.elapsed() < LONG / 2);
    assert!(
        late.contains("given up before this shard came (2 of 4"),
        "{late}"
    );
    assert!(late.contains("new, empty folder"), "{late}");
}

#[test]
fn without_shard_0_the_others_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let said = refused(dir.path(), vec![meeting(1, 3, SHORT), meeting(2, 3, SHORT)]);
    assert!(said.contains("; missing: shard 0; "), "{said}");
}

#[test]
fn a_shard_0_that_died_after_it_came_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (first, place) = (meeting(0, 2, LONG), place(dir.path()));
    let gone = Visit::new(
        &place,
        &first,
        BuildInfo::current(),
        &SystemTime::now,
        &go_on,
    )
    .unwrap();
    gone.leave_card().unwrap();
    let said = refused(dir.path(), vec![meeting(1, 2, SHORT)]);
    assert!(
        said.contains("shard 0 came and then put no start.json"),
        "{said}"
    );
    // Nobody is missing, so shard 0 would have begun had it lived; now it cannot any more.
    let mut gone = gone;
    assert!(matches!(gone.gather(), Err(MeetError::Aborted { .. })));
}

#[test]
fn shards_that_are_not_of_one_run_are_named_at_once() {
    let plan = Meeting {
        plan: "cd".repeat(32),
        ..meeting(1, 2, LONG)
    };
    let workers = Meeting {
        workers: 3,
        ..meeting(1, 2, LONG)
    };
    for (other, named) in [
        (
            plan,
            "shard 1 has another plan (cdcdcdcdcdcd instead of abababababab); start every",
        ),
        (workers, "shard 1 has 3 workers instead of 2; start every"),
        (
            meeting(1, 3, LONG),
            "shard 1 has 3 as the number of shards instead of 2; start",
        ),
        (
            meeting(4, 5, LONG),
            "shard 4 has 5 as the number of shards instead of 2; missing: shard 1; ",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        let said = refused(dir.path(), vec![meeting(0, 2, LONG), other]);
        assert!(said.contains("not all shards run the same; "), "{said}");
        assert!(said.contains(named), "{said}");
        assert!(begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
    }
}

#[test]
fn another_build_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let other = BuildInfo {
        git_revision: "0123456789ab\u{1b}".to_owned(),
        ..BuildInfo::current()
    };
    let second = std::thread::scope(|scope| {
        let path = dir.path();
        let second = scope.spawn(move || {
            let (second, place) = (meeting(1, 2, LONG), place(path));
            let visit = Visit::new(&place, &second, other, &SystemTime::now, &go_on);
            visit.unwrap().meet().unwrap_err().to_string()
        });
        let said = refused(path, vec![meeting(0, 2, LONG)]);
        assert_eq!(second.join().unwrap(), said);
        said
    });
    assert!(second.contains("shard 1 has another build (0."), "{second}");
    assert!(
        second.contains(r" 0123456789ab\u{1b} debug instead of "),
        "{second}"
    );
}

#[test]
fn the_same_shard_twice_is_refused_and_the_others_meet() {
    let dir = tempfile::tempdir().unwrap();
    let ends = all_come(
        dir.path(),
        [0, 1, 1, 2]
            .into_iter()
            .map(|index| meeting(index, 3, LONG))
            .collect(),
    );
    let (met, refused): (Vec<_>, Vec<_>) = ends.into_iter().partition(Result::is_ok);
    assert_eq!((met.len(), refused.len()), (3, 1));
    let error = refused.into_iter().next().unwrap().unwrap_err();
    let said = error.to_string();
    assert!(said.contains("shard 1/3"), "{said}");
    assert!(matches!(
        error,
        MeetError::Twice { .. } | MeetError::Used { .. }
    ));
}

#[test]
fn a_second_one_hears_at_once_that_it_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (path, stop) = (dir.path(), || over.load(Ordering::Relaxed));
        let first = scope.spawn(move || meet(&place(path), &meeting(1, 2, LONG), &stop));
        while !path.join("meet/1.json").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let said = refused(path, vec![meeting(1, 2, LONG)]);
        assert!(said.starts_with("shard 1/2 is already at /"), "{said}");
        assert!(said.contains(" since 20"), "{said}");
        over.store(true, Ordering::Relaxed);
        assert!(matches!(
            first.join().unwrap(),
            Err(MeetError::Interrupted { .. })
        ));
    });
}

#[test]
fn an_interrupted_shard_ends_all() {
    let dir = tempfile::tempdir().unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (path, stop) = (dir.path(), || over.load(Ordering::Relaxed));
        let first = scope.spawn(move || meet(&place(path), &meeting(2, 3, LONG), &stop));
        let others = [0, 1].map(|index| comes(scope, path, meeting(index, 3, LONG)));
        while !path.join("meet/2.json").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        // With all there it may have begun.
        let mut begun = true;
        over.store(true, Ordering::Relaxed);
        if first.join().unwrap().is_err() {
            begun = path.join("start.json").exists()
                && fs::read_to_string(path.join("start.json"))
                    .unwrap()
                    .contains("\"start\"");
        }
        for other in others {
            match other.join().unwrap() {
                Ok(_) => assert!(begun),
                Err(error) => assert!(
                    error.to_string().contains("shard 2 was interrupted"),
                    "{error}"
                ),
            }
        }
    });
}

#[test]
fn whoever_comes_after_the_start_is_no_part_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let both = || (0..2).map(|index| meeting(index, 2, LONG)).collect();
    assert!(all_come(dir.path(), both()).iter().all(Result::is_ok));
    // A restart, before there is a result.
    for index in [0, 1] {
        let said = refused(dir.path(), vec![meeting(index, 2, LONG)]);
        assert!(
            said.contains(&format!("with another process as shard {index}/2")),
            "{said}"
        );
        assert!(said.contains("takes nobody in"), "{said}");
    }
    // The folder of another run, wider and of another plan.
    let said = refused(dir.path(), vec![meeting(2, 3, LONG)]);
    assert!(
        said.contains("which is another one; use a new, empty folder"),
        "{said}"
    );
    // The folder of a run that is over.
    let patience = Patience::new(LONG, &go_on);
    let shard = Shard::new(1, 2).unwrap();
    place(dir.path())
        .put_result(shard, b"{}".to_vec(), &patience)
        .unwrap();
    let said = refused(dir.path(), vec![meeting(1, 2, LONG)]);
    assert!(said.contains("the result of shard 1/2 is there"), "{said}");
    // Nothing was put there by any of them.
    assert_eq!(fs::read_dir(dir.path().join("meet")).unwrap().count(), 2);
}

#[test]
fn cards_of_processes_that_were_killed_do_not_begin_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let (second, place) = (meeting(1, 2, LONG), place(dir.path()));
    let long_ago = || SystemTime::now() - Duration::from_secs(3_600);
    let gone = Visit::new(&place, &second, BuildInfo::current(), &long_ago, &go_on).unwrap();
    gone.leave_card().unwrap();
    let said = refused(dir.path(), vec![meeting(0, 2, LONG)]);
    assert!(said.contains("shard 1 has a card of 20"), "{said}");
    assert!(said.contains("the folder was used before"), "{said}");
}

#[test]
fn what_is_not_ours_is_not_taken_for_a_card_or_a_start() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("meet")).unwrap();
    fs::write(dir.path().join("meet/1.json"), "{\"attempt\":").unwrap();
    let said = refused(dir.path(), vec![meeting(0, 2, LONG)]);
    assert!(
        said.contains("shard 1 has a card that this build cannot read"),
        "{said}"
    );
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("start.json"), "[1, 2").unwrap();
    let said = refused(dir.path(), vec![meeting(0, 2, LONG)]);
    assert!(said.starts_with("cannot read start.json at "), "{said}");
    assert!(
        said.ends_with("; use a new, empty folder, and the same build for every shard"),
        "{said}"
    );
}

#[test]
fn a_clock_that_is_off_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let (first, place) = (meeting(0, 1, LONG), place(dir.path()));
    let ahead = || SystemTime::now() + Duration::from_secs(2);
    let visit = Visit::new(&place, &first, BuildInfo::current(), &ahead, &go_on).unwrap();
    let met = visit.meet().unwrap();
    let (offset, error) = (
        met.clock.offset_ns.unwrap(),
        met.clock.offset_error_ns.unwrap(),
    );
    assert!(
        offset.abs_diff(2_000_000_000) <= error + 1_000_000,
        "{offset} ± {error}"
    );
}

#[test]
fn a_place_that_cannot_be_used_says_why_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let said = refused(&file, vec![meeting(0, 2, LONG)]);
    assert!(
        said.contains("; give a folder; a file stands in its way"),
        "{said}"
    );
    for (text, why) in [
        ("", "give the path of a folder"),
        ("http://127.0.0.1/x", "or an s3://, gs:// or az:// URL"),
    ] {
        let said = Place::parse(text).unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
    // Root may write everywhere but in what the kernel keeps.
    for (folder, why) in [
        ("/proc/shards", "put meet/0.json"),
        ("/sys/shards", "put meet/0.json"),
    ] {
        let said = refused(Path::new(folder), vec![meeting(0, 2, LONG)]);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_store_that_hangs_is_not_waited_for() {
    #[derive(Debug)]
    struct Hung;
    impl place::Store for Hung {
        fn put(&self, _: &str, _: &[u8]) -> Result<bool, place::Trouble> {
            std::thread::sleep(LONG);
            Ok(true)
        }
        fn get(&self, _: &str, _: u64) -> Result<Option<Vec<u8>>, place::Trouble> {
            Ok(None)
        }
        fn list(&self, _: &str) -> Result<Vec<String>, place::Trouble> {
            Ok(Vec::new())
        }
        fn stamp(&self, _: &str) -> Result<Option<place::Stamp>, place::Trouble> {
            Ok(None)
        }
        fn interval(&self) -> Duration {
            SHORT
        }
    }
    let (hung, begun) = (Place::of("nfs", Hung), Instant::now());
    let error = meet(&hung, &meeting(0, 2, SHORT), &go_on)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("cannot put meet/0.json at nfs: no answer within 400"),
        "{error}"
    );
    assert!(begun.elapsed() < LONG / 2);
}
