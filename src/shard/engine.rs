//! Which shard this process is, from what an engine that starts many processes puts into their environment.
//!
//! An engine is a row of [`ENGINES`]. A row counts only if it is complete: schedulers set a part of their variables
//! where no shard runs, too, such as `SLURM_PROCID` in a batch script.

use std::env::var_os;
use std::fmt::{self, Display};
use std::str::FromStr;

use super::Shard;
use crate::text::escape_untrusted;

/// Most characters of a variable's value in an error.
const VALUE_CAP: usize = 40;

/// Looks up a variable of an environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A variable of this process. One that is empty counts as not set.
pub fn variable(name: &str) -> Option<String> {
    let value = var_os(name)?.to_string_lossy().into_owned();
    Some(value).filter(|value| !value.is_empty())
}

/// How a process learns which shard it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardChoice {
    /// It is this one.
    Given(Shard),
    /// Its engine says so, and how many there are unless that is given.
    Auto(Option<u32>),
}

/// What starts the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine {
    /// Its name, as its documents have it.
    pub name: &'static str,
    /// What sets its variables.
    set_by: &'static str,
    numbers: Numbers,
}

/// The variables of an engine, and what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbers {
    /// None: a flag says it.
    Flag,
    /// `K/N`.
    Whole(&'static str),
    /// A process of several that are started at once. Each element of an array may start some.
    Rank {
        index: &'static str,
        count: &'static str,
    },
    /// An element of an array that is numbered from 0.
    Element {
        index: &'static str,
        count: &'static str,
    },
    /// A task of a Slurm array, which may begin anywhere and have steps.
    SlurmTask,
    /// An index without a count.
    Index {
        index: &'static str,
        /// The number of the first.
        first: u32,
        /// What the count is called there.
        count_is: &'static str,
    },
}

/// Every engine, in the order in which they are asked.
pub const ENGINES: [Engine; 9] = [
    Engine {
        name: "SHAKEDOWN_SHARD",
        set_by: "you",
        numbers: Numbers::Whole("SHAKEDOWN_SHARD"),
    },
    Engine {
        name: "Open MPI",
        set_by: "mpirun",
        numbers: Numbers::Rank {
            index: "OMPI_COMM_WORLD_RANK",
            count: "OMPI_COMM_WORLD_SIZE",
        },
    },
    Engine {
        name: "PMI",
        set_by: "mpiexec",
        numbers: Numbers::Rank {
            index: "PMI_RANK",
            count: "PMI_SIZE",
        },
    },
    Engine {
        name: "Slurm step",
        set_by: "srun",
        numbers: Numbers::Rank {
            index: "SLURM_PROCID",
            // SLURM_NTASKS is set in the batch script as well, which is no step.
            count: "SLURM_STEP_NUM_TASKS",
        },
    },
    Engine {
        name: "Slurm array",
        set_by: "sbatch --array",
        numbers: Numbers::SlurmTask,
    },
    Engine {
        name: "AWS Batch",
        set_by: "an array job",
        numbers: Numbers::Element {
            index: "AWS_BATCH_JOB_ARRAY_INDEX",
            count: "AWS_BATCH_JOB_ARRAY_SIZE",
        },
    },
    Engine {
        name: "Kubernetes",
        set_by: "a Job with completionMode: Indexed",
        numbers: Numbers::Index {
            index: "JOB_COMPLETION_INDEX",
            first: 0,
            count_is: "completions",
        },
    },
    Engine {
        name: "Nomad",
        set_by: "a group of tasks",
        numbers: Numbers::Index {
            index: "NOMAD_ALLOC_INDEX",
            first: 0,
            count_is: "the group's count",
        },
    },
    Engine {
        name: "GNU parallel",
        set_by: "parallel",
        numbers: Numbers::Index {
            index: "PARALLEL_SEQ",
            first: 1,
            count_is: "the number of jobs",
        },
    },
];

/// An environment that does not say which shard this process is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// No engine.
    #[error(
        "--shard auto: nothing here says which shard this is; looked for {}{partly}; write --shard K/N, or set SHAKEDOWN_SHARD=K/N",
        looked_for()
    )]
    Nothing {
        /// Engines of which a part is set, in words.
        partly: String,
    },
    /// An index without a count.
    #[error("--shard auto: {engine} gives no count; write --shard auto/N with N = {count_is}")]
    NoCount {
        /// The engine.
        engine: &'static str,
        /// What the count is called there.
        count_is: &'static str,
    },
    /// Another count than the one that is given.
    #[error(
        "--shard auto/{given}: {engine} says that there are {found} ({variable}); write --shard auto, or start {given} shards"
    )]
    CountDiffers {
        /// The count in `auto/N`.
        given: u32,
        /// The engine.
        engine: &'static str,
        /// Its count.
        found: u32,
        /// Where it stands.
        variable: &'static str,
    },
    /// Several processes in each of several elements of an array.
    #[error(
        "--shard auto: this is one of {ranks} processes ({engine}) in one of {elements} elements ({array}), and either may be the shards; use one of them, or set SHAKEDOWN_SHARD=K/N for each process"
    )]
    Nested {
        /// What started the processes.
        engine: &'static str,
        /// How many.
        ranks: u32,
        /// The array.
        array: &'static str,
        /// Its elements.
        elements: u32,
    },
    /// A variable with another value than it should have.
    #[error("--shard auto: {variable}={value}: {why}")]
    Value {
        /// The variable.
        variable: &'static str,
        /// Its value, safe to print.
        value: String,
        /// What is wrong with it.
        why: String,
    },
}

impl ShardError {
    fn value(variable: &'static str, value: &str, why: impl Into<String>) -> Self {
        Self::Value {
            variable,
            value: escape_untrusted(value, VALUE_CAP),
            why: why.into(),
        }
    }
}

impl ShardChoice {
    /// The shard that this process is, and what says so.
    ///
    /// # Errors
    ///
    /// Fails if the environment does not say so, or not clearly.
    pub fn find(&self, env: Environment<'_>) -> Result<(Shard, Engine), ShardError> {
        match *self {
            Self::Given(shard) => Ok((shard, Engine::FLAG)),
            Self::Auto(of) => auto(of, env),
        }
    }
}

impl Display for ShardChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(shard) => shard.fmt(f),
            Self::Auto(None) => f.write_str("auto"),
            Self::Auto(Some(of)) => write!(f, "auto/{of}"),
        }
    }
}

impl FromStr for ShardChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (index, of) = match text.split_once('/') {
            Some((index, of)) => (index, Some(of)),
            None => (text, None),
        };
        match (index, of) {
            ("auto", None) => Ok(Self::Auto(None)),
            ("auto", Some(of)) => match digits(of).and_then(|of| u32::try_from(of).ok()) {
                Some(0) | None => Err(format!(
                    "{text:?} has no number of shards; write auto/N with N from 1"
                )),
                of => Ok(Self::Auto(of)),
            },
            (_, Some(_)) => text.parse().map(Self::Given),
            (_, None) => Err(format!(
                "{text:?} is no shard; write K/N (the first of 8 is 0/8), auto, or auto/N"
            )),
        }
    }
}

/// Asks each engine in turn.
fn auto(of: Option<u32>, env: Environment<'_>) -> Result<(Shard, Engine), ShardError> {
    for engine in ENGINES {
        let Some((shard, count)) = engine.read(of, env)? else {
            continue;
        };
        if matches!(engine.numbers, Numbers::Rank { .. })
            && let Some((array, elements)) = array(of, env)?
        {
            if shard.of == 1 {
                // The only process of an element: the array has the shards.
                continue;
            }
            return Err(ShardError::Nested {
                engine: engine.name,
                ranks: shard.of,
                array: array.name,
                elements,
            });
        }
        return match (of, count) {
            (Some(given), Some(variable)) if given != shard.of => Err(ShardError::CountDiffers {
                given,
                engine: engine.name,
                found: shard.of,
                variable,
            }),
            _ => Ok((shard, engine)),
        };
    }
    let partly = ENGINES.iter().map(|engine| engine.partly(env)).collect();
    Err(ShardError::Nothing { partly })
}

/// An array of several elements that this process is in.
fn array(of: Option<u32>, env: Environment<'_>) -> Result<Option<(Engine, u32)>, ShardError> {
    for engine in ENGINES {
        let is_array = matches!(engine.numbers, Numbers::SlurmTask | Numbers::Element { .. });
        if is_array
            && let Some((shard, _)) = engine.read(of, env)?
            && shard.of > 1
        {
            return Ok(Some((engine, shard.of)));
        }
    }
    Ok(None)
}

impl Engine {
    /// No engine: a person or a script.
    pub const FLAG: Self = Self {
        name: "--shard",
        set_by: "you",
        numbers: Numbers::Flag,
    };

    /// The variables that it is complete with.
    pub fn variables(&self) -> Vec<&'static str> {
        match self.numbers {
            Numbers::Flag => Vec::new(),
            Numbers::Whole(variable) => vec![variable],
            Numbers::Rank { index, count } | Numbers::Element { index, count } => {
                vec![index, count]
            }
            Numbers::SlurmTask => vec![TASK_ID, TASK_MIN, TASK_STEP, TASK_COUNT],
            Numbers::Index { index, .. } => vec![index],
        }
    }

    /// The shard by this engine and the variable with the count, if it is complete.
    fn read(
        &self,
        of: Option<u32>,
        env: Environment<'_>,
    ) -> Result<Option<(Shard, Option<&'static str>)>, ShardError> {
        match self.numbers {
            Numbers::Flag => Ok(None),
            Numbers::Whole(name) => {
                let Some(text) = env(name) else {
                    return Ok(None);
                };
                let shard = text.parse::<Shard>();
                let why = "it is no shard; write K/N, from 0/N to the one before N/N";
                let shard = shard.map_err(|_| ShardError::value(name, &text, why))?;
                Ok(Some((shard, Some(name))))
            }
            Numbers::Rank { index, count } | Numbers::Element { index, count } => {
                let (Some(k), Some(n)) = (env(index), env(count)) else {
                    return Ok(None);
                };
                let of = counted(count, &n)?;
                let shard = shard(index, &k, number(index, &k)?, of)?;
                Ok(Some((shard, Some(count))))
            }
            Numbers::SlurmTask => {
                let shard = slurm_task(env)?;
                Ok(shard.map(|shard| (shard, Some(TASK_COUNT))))
            }
            Numbers::Index {
                index,
                first,
                count_is,
            } => {
                let Some(k) = env(index) else {
                    return Ok(None);
                };
                let of = of.ok_or(ShardError::NoCount {
                    engine: self.name,
                    count_is,
                })?;
                let from_first = number(index, &k)?.checked_sub(first.into());
                let why = || format!("{} counts from {first}", self.name);
                let k_from_0 = from_first.ok_or_else(|| ShardError::value(index, &k, why()))?;
                Ok(Some((shard(index, &k, k_from_0, of)?, None)))
            }
        }
    }

    /// Which variables are there and which are missing, where only a part is there.
    fn partly(&self, env: Environment<'_>) -> String {
        let all = self.variables();
        let (there, missing): (Vec<&str>, Vec<&str>) =
            all.into_iter().partition(|name| env(name).is_some());
        if there.is_empty() || missing.is_empty() {
            return String::new();
        }
        format!(
            "; {} {} set and {} not, as {} would",
            there.join(", "),
            if there.len() == 1 { "is" } else { "are" },
            missing.join(", "),
            self.set_by
        )
    }
}

const TASK_ID: &str = "SLURM_ARRAY_TASK_ID";
const TASK_MIN: &str = "SLURM_ARRAY_TASK_MIN";
const TASK_MAX: &str = "SLURM_ARRAY_TASK_MAX";
const TASK_STEP: &str = "SLURM_ARRAY_TASK_STEP";
const TASK_COUNT: &str = "SLURM_ARRAY_TASK_COUNT";

/// The task (ID − MIN)/STEP of COUNT, if the environment is that of one.
fn slurm_task(env: Environment<'_>) -> Result<Option<Shard>, ShardError> {
    let all = (env(TASK_ID), env(TASK_MIN), env(TASK_STEP), env(TASK_COUNT));
    let (Some(id_text), Some(min), Some(step), Some(count)) = all else {
        return Ok(None);
    };
    let of = counted(TASK_COUNT, &count)?;
    let (id, min) = (number(TASK_ID, &id_text)?, number(TASK_MIN, &min)?);
    let step = match number(TASK_STEP, &step)? {
        0 => return Err(ShardError::value(TASK_STEP, &step, "no step is 0")),
        step => step,
    };
    let uneven = |name, value: &str| {
        ShardError::value(
            name,
            value,
            format!(
                "the {of} tasks of this array are not {min} and every {step} after it, so their places are not known; number them evenly, as in --array=0-{}",
                of - 1
            ),
        )
    };
    let place = |id: u64| {
        let from_min = id.checked_sub(min)?;
        (from_min % step == 0).then_some(from_min / step)
    };
    // Every task finds a gap in the list, not only those behind it. With steps the end need not be a task.
    if let Some(text) = env(TASK_MAX) {
        let span = number(TASK_MAX, &text)?.checked_sub(min);
        if span.is_none_or(|span| span / step != u64::from(of) - 1) {
            return Err(uneven(TASK_MAX, &text));
        }
    }
    let place = place(id).and_then(|place| u32::try_from(place).ok());
    let place = place.filter(|place| *place < of);
    let index = place.ok_or_else(|| uneven(TASK_ID, &id_text))?;
    Ok(Some(Shard { index, of }))
}

/// A shard of so many; `value` is what its variable says.
fn shard(variable: &'static str, value: &str, index: u64, of: u32) -> Result<Shard, ShardError> {
    let shard = u32::try_from(index).ok();
    let shard = shard.and_then(|index| Shard::new(index, of).ok());
    shard.ok_or_else(|| {
        let why = format!("it is beyond the last of {of} shards; give the number that are started");
        ShardError::value(variable, value, why)
    })
}

/// A number of shards.
fn counted(variable: &'static str, value: &str) -> Result<u32, ShardError> {
    match u32::try_from(number(variable, value)?) {
        Ok(0) => Err(ShardError::value(variable, value, "there is no shard of 0")),
        Ok(of) => Ok(of),
        Err(_) => Err(ShardError::value(variable, value, "it is too large")),
    }
}

fn number(variable: &'static str, value: &str) -> Result<u64, ShardError> {
    digits(value).ok_or_else(|| ShardError::value(variable, value, "it is no whole number"))
}

/// A number of nothing but digits.
fn digits(text: &str) -> Option<u64> {
    let only = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| only)
}

/// Every engine with its variables.
fn looked_for() -> String {
    let each = ENGINES.iter().map(|engine| match engine.numbers {
        Numbers::Whole(variable) => format!("{variable}=K/N"),
        Numbers::Index { index, .. } => format!("{} ({index}, with auto/N)", engine.name),
        _ => format!("{} ({})", engine.name, engine.variables().join(", ")),
    });
    each.collect::<Vec<_>>().join(", ")
}
