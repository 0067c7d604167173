//! Environments as the engines make them, and as they should not be.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{ENGINES, Engine, Shard, ShardChoice, ShardError};

type Vars = BTreeMap<&'static str, String>;

fn vars(all: &[(&'static str, &str)]) -> Vars {
    all.iter().map(|(k, v)| (*k, (*v).to_owned())).collect()
}

fn find(choice: &str, vars: &Vars) -> Result<(Shard, &'static str), ShardError> {
    let choice: ShardChoice = choice.parse().unwrap();
    let (shard, engine) = choice.find(&|name| vars.get(name).cloned())?;
    Ok((shard, engine.name))
}

fn refused(choice: &str, all: &[(&'static str, &str)]) -> String {
    find(choice, &vars(all)).unwrap_err().to_string()
}

/// What is set in the batch script of a job with three tasks, where no shard runs.
const BATCH: [(&str, &str); 3] = [
    ("SLURM_JOB_ID", "7"),
    ("SLURM_PROCID", "0"),
    ("SLURM_NTASKS", "3"),
];

/// Task `index` of an array of `of`, numbered from `min` with `step`, as sbatch sets it.
fn task(index: u32, of: u32, min: u32, step: u32) -> Vars {
    let mut all = vars(&BATCH);
    let id = |index: u32| (min + step * index).to_string();
    all.extend([
        ("SLURM_ARRAY_TASK_ID", id(index)),
        ("SLURM_ARRAY_TASK_MIN", id(0)),
        ("SLURM_ARRAY_TASK_MAX", id(of - 1)),
        ("SLURM_ARRAY_TASK_STEP", step.to_string()),
        ("SLURM_ARRAY_TASK_COUNT", of.to_string()),
    ]);
    all
}

/// The environment of shard `index` of `of` under each engine, with what the flag then has to be.
fn under(engine: &str, index: u32, of: u32) -> (Vars, String) {
    let (k, n) = (index.to_string(), of.to_string());
    let counted = |names: [&'static str; 2]| {
        let all = Vars::from([(names[0], k.clone()), (names[1], n.clone())]);
        (all, "auto".to_owned())
    };
    let one = |name, value| (Vars::from([(name, value)]), format!("auto/{of}"));
    match engine {
        "SHAKEDOWN_SHARD" => (
            Vars::from([("SHAKEDOWN_SHARD", format!("{k}/{n}"))]),
            "auto".to_owned(),
        ),
        "Open MPI" => counted(["OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"]),
        "PMI" => counted(["PMI_RANK", "PMI_SIZE"]),
        "Slurm step" => counted(["SLURM_PROCID", "SLURM_STEP_NUM_TASKS"]),
        "Slurm array" => (task(index, of, 0, 1), "auto".to_owned()),
        "AWS Batch" => counted(["AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"]),
        "Kubernetes" => one("JOB_COMPLETION_INDEX", k),
        "Nomad" => one("NOMAD_ALLOC_INDEX", k),
        "GNU parallel" => one("PARALLEL_SEQ", (index + 1).to_string()),
        other => panic!("no environment of {other}"),
    }
}

proptest! {
    #[test]
    fn each_engine_makes_each_shard_once(engine in 0..ENGINES.len(), of in 1u32..200) {
        let engine = ENGINES[engine].name;
        for index in 0..of {
            let (vars, choice) = under(engine, index, of);
            prop_assert_eq!(find(&choice, &vars), Ok((Shard { index, of }, engine)));
            let checked = format!("auto/{of}");
            prop_assert_eq!(find(&checked, &vars), Ok((Shard { index, of }, engine)));
        }
    }

    #[test]
    fn the_first_complete_one_is_taken(
        engines in proptest::sample::subsequence(&ENGINES[..], 1..=ENGINES.len()),
    ) {
        // With one element each, no two contradict each other.
        let mut all = Vars::new();
        for engine in &engines {
            all.extend(under(engine.name, 0, 1).0);
        }
        prop_assert_eq!(find("auto/1", &all), Ok((Shard::WHOLE, engines[0].name)));
    }

    #[test]
    fn tasks_of_an_array_begin_anywhere(of in 1u32..50, min in 0u32..1000, step in 1u32..50) {
        for index in 0..of {
            let found = find("auto", &task(index, of, min, step));
            prop_assert_eq!(found, Ok((Shard { index, of }, "Slurm array")));
        }
    }

    #[test]
    fn any_values_are_a_shard_or_an_error(
        values in proptest::collection::vec(proptest::option::of("[0-9]{1,20}|-1|0/1|\\PC{0,60}"), 17),
        of in proptest::option::of(1u32..9),
    ) {
        let mut names: Vec<_> = ENGINES.iter().flat_map(Engine::variables).collect();
        names.push("SLURM_ARRAY_TASK_MAX");
        let all: Vars = names.into_iter().zip(values).filter_map(|(k, v)| Some((k, v?))).collect();
        match ShardChoice::Auto(of).find(&|name| all.get(name).cloned()) {
            Ok((shard, _)) => {
                prop_assert!(shard.index < shard.of);
                prop_assert!(of.is_none_or(|of| of == shard.of));
            }
            Err(error) => prop_assert!(!error.to_string().contains('\x1b')),
        }
    }

    #[test]
    fn a_choice_is_read_back(index in 0u32..100, more in 1u32..100, given: bool, counted: bool) {
        let of = index + more;
        let choice = match (given, counted) {
            (true, _) => ShardChoice::Given(Shard { index, of }),
            (false, true) => ShardChoice::Auto(Some(of)),
            (false, false) => ShardChoice::Auto(None),
        };
        prop_assert_eq!(choice.to_string().parse(), Ok(choice));
    }
}

#[test]
fn a_flag_needs_no_engine_and_asks_none() {
    let lies = under("Open MPI", 1, 3).0;
    assert_eq!(
        find("3/8", &lies),
        Ok((Shard { index: 3, of: 8 }, "--shard"))
    );
    for (text, part) in [
        ("", "0/8"),
        ("3", "0/8"),
        ("automatic", "auto/N"),
        ("auto/", "N from 1"),
        ("auto/0", "N from 1"),
        ("auto/+3", "N from 1"),
        ("auto/99999999999", "N from 1"),
        ("8/8", "from 0 to 7"),
        ("a/b", "K/N"),
    ] {
        let error = text.parse::<ShardChoice>().unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn a_batch_script_is_no_step() {
    let error = refused("auto", &BATCH);
    for part in ["SLURM_PROCID is set and SLURM_STEP_NUM_TASKS not", "srun"] {
        assert!(error.contains(part), "{error}");
    }
    // Its array counts.
    let found = find("auto", &task(2, 3, 0, 1));
    assert_eq!(found, Ok((Shard { index: 2, of: 3 }, "Slurm array")));
}

#[test]
fn one_process_in_each_element_leaves_the_shards_to_the_array() {
    // Slurm sets PMI's variables in a step as well, where it is built so.
    for rank in ["Open MPI", "PMI", "Slurm step"] {
        let mut all = task(1, 4, 0, 1);
        all.extend(under(rank, 0, 1).0);
        let found = find("auto", &all);
        assert_eq!(
            found,
            Ok((Shard { index: 1, of: 4 }, "Slurm array")),
            "{rank}"
        );
        // An array of one has the shards in its step.
        let mut all = task(0, 1, 5, 1);
        all.extend(under(rank, 2, 3).0);
        assert_eq!(find("auto", &all), Ok((Shard { index: 2, of: 3 }, rank)));
    }
}

#[test]
fn several_processes_in_several_elements_are_refused() {
    for rank in ["Open MPI", "PMI", "Slurm step"] {
        for array in ["Slurm array", "AWS Batch"] {
            let mut all = under(array, 1, 4).0;
            all.extend(under(rank, 2, 3).0);
            let error = find("auto", &all).unwrap_err().to_string();
            for part in [rank, array, "3 processes", "4 elements", "SHAKEDOWN_SHARD"] {
                assert!(error.contains(part), "{error}");
            }
            all.insert("SHAKEDOWN_SHARD", "6/12".to_owned());
            let shard = Shard { index: 6, of: 12 };
            assert_eq!(find("auto", &all), Ok((shard, "SHAKEDOWN_SHARD")));
        }
    }
}

#[test]
fn what_is_missing_or_differs_is_named() {
    let nothing = refused("auto/4", &[]);
    for engine in ENGINES {
        for variable in engine.variables() {
            assert!(nothing.contains(variable), "{nothing}");
        }
    }
    let error = refused("auto", &[("JOB_COMPLETION_INDEX", "0")]);
    assert_eq!(
        error,
        "--shard auto: Kubernetes gives no count; write --shard auto/N with N = completions"
    );
    let error = refused("auto", &[("PARALLEL_SEQ", "1")]);
    assert!(error.contains("the number of jobs"), "{error}");
    let two = [("PMI_RANK", "1"), ("PMI_SIZE", "2")];
    let error = refused("auto/3", &two);
    for part in [
        "auto/3",
        "PMI says that there are 2",
        "PMI_SIZE",
        "start 3 shards",
    ] {
        assert!(error.contains(part), "{error}");
    }
    // Half an engine is none.
    let half = [("OMPI_COMM_WORLD_RANK", "x"), two[0], two[1]];
    assert_eq!(find("auto", &vars(&half)).unwrap().1, "PMI");
}

#[test]
fn values_that_cannot_be_are_named_with_their_variable() {
    let task = |id, max, step, count| {
        [
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_MIN", "2"),
            ("SLURM_ARRAY_TASK_MAX", max),
            ("SLURM_ARRAY_TASK_STEP", step),
            ("SLURM_ARRAY_TASK_COUNT", count),
        ]
    };
    let pmi = |rank, size| vec![("PMI_RANK", rank), ("PMI_SIZE", size)];
    for (all, part) in [
        (
            vec![("SHAKEDOWN_SHARD", "3 of 8")],
            "SHAKEDOWN_SHARD=3 of 8: it is no shard",
        ),
        (pmi("2", "2"), "PMI_RANK=2: it is beyond the last of 2"),
        (pmi("-1", "2"), "PMI_RANK=-1: it is no whole number"),
        (
            pmi("0", "2\u{1b}[m"),
            "PMI_SIZE=2\\u{1b}[m: it is no whole number",
        ),
        (pmi("0", "0"), "PMI_SIZE=0: there is no shard of 0"),
        (pmi("0", "4294967296"), "too large"),
        (pmi("0", "99999999999999999999999"), "no whole number"),
        // --array=2,4,5 with step 1: each of the three says so.
        (
            task("2", "5", "1", "3").to_vec(),
            "SLURM_ARRAY_TASK_MAX=5: the 3 tasks of this array are not 2 and every 1 after it",
        ),
        (task("4", "5", "1", "3").to_vec(), "--array=0-2"),
        (task("3", "6", "2", "3").to_vec(), "SLURM_ARRAY_TASK_ID=3"),
        (task("1", "6", "2", "3").to_vec(), "SLURM_ARRAY_TASK_ID=1"),
        (task("8", "6", "2", "3").to_vec(), "SLURM_ARRAY_TASK_ID=8"),
        (task("2", "1", "1", "1").to_vec(), "SLURM_ARRAY_TASK_MAX=1"),
        (task("2", "2", "0", "1").to_vec(), "SLURM_ARRAY_TASK_STEP=0"),
    ] {
        let error = refused("auto", &all);
        assert!(error.contains(part), "{error}");
    }
    let parallel = refused("auto/2", &[("PARALLEL_SEQ", "0")]);
    assert!(
        parallel.contains("GNU parallel counts from 1"),
        "{parallel}"
    );
    let beyond = refused("auto/2", &[("JOB_COMPLETION_INDEX", "2")]);
    assert!(
        beyond.contains("JOB_COMPLETION_INDEX=2: it is beyond the last of 2"),
        "{beyond}"
    );
}
