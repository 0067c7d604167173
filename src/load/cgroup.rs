//! The limits of our own control group and of those around it: how often and for how long a CPU quota
//! stopped us, and what memory is left. Knows versions 1 and 2 of cgroups (cgroups(7)), and those inside containers.

use std::fs;
use std::path::{Path, PathBuf};

use crate::stats::Throttled;

/// The counters of our own group, then of the groups around it, as far as they are visible. `None`
/// if there are none, as in the root group or without cgroups.
pub(super) fn throttled() -> Option<Vec<Throttled>> {
    let levels = of_levels("cpu", |level| {
        parse(&fs::read_to_string(level.join("cpu.stat")).ok()?)
    })?;
    (!levels.is_empty()).then_some(levels)
}

/// Memory that our own group and those around it leave us, in bytes. `None` where none has a limit.
pub(super) fn memory_left() -> Option<u64> {
    let levels = of_levels("memory", |level| {
        let file = |name| fs::read_to_string(level.join(name)).ok();
        let limit = file("memory.max").or_else(|| file("memory.limit_in_bytes"))?;
        let used = file("memory.current").or_else(|| file("memory.usage_in_bytes"))?;
        left(&limit, &used, &file("memory.stat").unwrap_or_default())
    })?;
    levels.into_iter().min()
}

/// Memory left of a limit. What files take that nobody uses is given up first.
fn left(limit: &str, used: &str, stat: &str) -> Option<u64> {
    // Without a limit version 2 says `max`, version 1 a number that no machine has.
    let limit: u64 = limit.trim().parse().ok().filter(|limit| *limit < 1 << 60)?;
    let used: u64 = used.trim().parse().ok()?;
    let files = stat
        .lines()
        .find_map(|line| line.strip_prefix("inactive_file ")?.parse().ok());
    Some(limit.saturating_sub(used.saturating_sub(files.unwrap_or(0))))
}

/// What our own group says, then the groups around it, as far as they are visible.
fn of_levels<T>(controller: &str, read: impl Fn(&Path) -> Option<T>) -> Option<Vec<T>> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let (mount, group) = place(&groups, &mounts, controller)?;
    let levels = group.ancestors();
    let levels = levels.take_while(|level| level.starts_with(&mount));
    Some(levels.filter_map(read).collect())
}

/// What happened since `earlier` in the group that was stopped for longest. `None` if we were moved
/// to another group meanwhile: then nothing can be said.
pub(super) fn worst(now: &[Throttled], earlier: &[Throttled]) -> Option<Throttled> {
    if now.len() != earlier.len() {
        return None;
    }
    let changes: Option<Vec<Throttled>> = now
        .iter()
        .zip(earlier)
        .map(|(now, before)| {
            Some(Throttled {
                periods: now.periods.checked_sub(before.periods)?,
                throttled_ns: now.throttled_ns.checked_sub(before.throttled_ns)?,
            })
        })
        .collect();
    changes?
        .into_iter()
        .max_by_key(|change| change.throttled_ns)
}

/// Where the files of a controller are mounted, and our own group's folder in it: the
/// controller of version 1 if there is one, else the unified hierarchy.
fn place(groups: &str, mounts: &str, controller: &str) -> Option<(PathBuf, PathBuf)> {
    let version1 = groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let controllers = fields.next()?;
        controllers
            .split(',')
            .any(|c| c == controller)
            .then_some(())?;
        fields.next()
    });
    let (group, (root, mount)) = match version1 {
        Some(group) => (
            group,
            mounts.lines().find_map(|l| mounted(l, Some(controller)))?,
        ),
        None => (
            groups.lines().find_map(|line| line.strip_prefix("0::"))?,
            mounts.lines().find_map(|l| mounted(l, None))?,
        ),
    };
    // In a container the mount may show only our part of the hierarchy, or a namespace hides what is
    // above us; then our own folder is the mount itself.
    let inside = Path::new(group)
        .strip_prefix(&root)
        .unwrap_or(Path::new(""));
    let folder = mount.join(inside);
    let folder = if folder.is_dir() {
        folder
    } else {
        mount.clone()
    };
    Some((mount, folder))
}

/// The root and the mount point of a line of `mountinfo` (proc(5)) that mounts this controller of
/// version 1, or the unified hierarchy if none is given.
fn mounted(line: &str, controller: Option<&str>) -> Option<(PathBuf, PathBuf)> {
    let (left, right) = line.split_once(" - ")?;
    let mut right = right.split(' ');
    let kind = right.next()?;
    let options = right.nth(1)?;
    let wanted = match controller {
        Some(name) => kind == "cgroup" && options.split(',').any(|option| option == name),
        None => kind == "cgroup2",
    };
    let mut left = left.split(' ').skip(3);
    let (root, mount) = (left.next()?, left.next()?);
    wanted.then(|| (unescaped(root).into(), unescaped(mount).into()))
}

/// Spaces stand as `\040` in `mountinfo`.
fn unescaped(path: &str) -> String {
    path.replace("\\040", " ")
}

/// Reads `cpu.stat`: nanoseconds in version 1, microseconds in version 2.
fn parse(stat: &str) -> Option<Throttled> {
    let field = |name: &str| -> Option<u64> {
        let lines = stat.lines();
        let mut values = lines.filter_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        values.next()
    };
    let micros = |us: u64| us.saturating_mul(1_000);
    Some(Throttled {
        periods: field("nr_throttled ")?,
        throttled_ns: field("throttled_time ").or_else(|| field("throttled_usec ").map(micros))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let expected = Throttled {
            periods: 7,
            throttled_ns: 5_000_000,
        };
        let one = "nr_periods 9\nnr_throttled 7\nthrottled_time 5000000\nnr_bursts 0\n";
        let two = "usage_usec 1\nnr_periods 9\nnr_throttled 7\nthrottled_usec 5000\n";
        assert_eq!(parse(one), Some(expected));
        assert_eq!(parse(two), Some(expected));
        // The root group of version 2 has no quota.
        assert_eq!(parse("usage_usec 1\nuser_usec 1\n"), None);
    }

    #[test]
    fn our_own_group_is_found_in_either_version() {
        let dir = tempfile::tempdir().unwrap();
        let mount = dir.path().display();
        for group in ["a/b", "b"] {
            fs::create_dir_all(dir.path().join(group)).unwrap();
        }
        let one = format!(
            "31 23 0:28 / /x rw - tmpfs tmpfs rw\n32 31 0:29 / {mount} rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
        );
        let two = format!("41 31 0:38 / {mount} rw,relatime shared:9 - cgroup2 cgroup2 rw\n");
        let found = dir.path().join("a/b");
        for (groups, mounts) in [
            ("4:memory:/m\n2:cpu,cpuacct:/a/b\n0::/\n", &one),
            ("0::/a/b\n", &two),
        ] {
            let (root, group) = place(groups, mounts, "cpu").unwrap();
            assert_eq!(
                (root.as_path(), group.as_path()),
                (dir.path(), found.as_path())
            );
        }
        // A container that sees only its own part, or a namespace that hides where it is.
        let part = two.replace("0:38 / ", "0:38 /a ");
        assert_eq!(
            place("0::/a/b\n", &part, "cpu").unwrap().1,
            dir.path().join("b")
        );
        assert_eq!(place("0::/../c\n", &two, "cpu").unwrap().1, dir.path());
        assert_eq!(place("0::/a\n", "nonsense\n", "cpu"), None);
    }

    #[test]
    fn the_group_that_was_stopped_for_longest_counts() {
        let at = |ns: [u64; 2]| {
            ns.map(|ns| Throttled {
                periods: ns,
                throttled_ns: ns,
            })
        };
        let window = worst(&at([5, 90]), &at([5, 10])).unwrap();
        assert_eq!((window.periods, window.throttled_ns), (80, 80));
        assert_eq!(worst(&at([5, 90])[..1], &at([5, 10])), None);
        assert_eq!(worst(&at([0, 0]), &at([5, 10])), None);
    }

    #[test]
    fn memory_is_left_where_there_is_a_limit() {
        let stat = "anon 7\ninactive_file 300\nactive_file 9\n";
        assert_eq!(left("1000\n", "600\n", stat), Some(700));
        assert_eq!(left("1000\n", "600\n", ""), Some(400));
        assert_eq!(left("1000", "1300", ""), Some(0));
        assert_eq!(left("max\n", "600\n", stat), None);
        assert_eq!(left("9223372036854771712", "600", stat), None);
    }
}
