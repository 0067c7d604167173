//! Makes events happen that are not a session's own: writes revocation lists, and runs the commands that make a server
//! read them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::TargetView;
use super::occurrence::{EventPlan, Occurrences, Revocation};
use crate::clock::ns_between;
use crate::pki::revoked_in;
use crate::text::escape_untrusted;

/// How long a command may take.
const LONGEST: Duration = Duration::from_secs(30);
/// How often it is looked whether one has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How much of what a failed command said is told, in bytes.
const LAST_WORDS: usize = 400;

/// What was done for an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Happened {
    /// Certificates that were revoked.
    pub revoked: u64,
    /// When the list was in place, in nanoseconds after the trial's start.
    pub in_place_ns: Option<u64>,
    /// When the command had ended.
    pub hook_ended_ns: Option<u64>,
    /// Why it could not be done, escaped.
    pub error: Option<String>,
}

/// The events of a trial that are made to happen.
pub(super) struct Happenings {
    occurrences: Option<Arc<Occurrences>>,
    cell: usize,
    start: Instant,
    /// Those that are still to come, the next one last.
    to_come: Vec<usize>,
    running: Vec<Hook>,
    happened: Vec<Happened>,
}

/// A command that runs.
struct Hook {
    event: usize,
    child: Child,
    began: Instant,
    said: File,
}

impl Happenings {
    pub(super) fn new(occurrences: Option<&Arc<Occurrences>>, cell: usize, start: Instant) -> Self {
        let events = occurrences.map_or(&[][..], |all| all.events());
        let mut to_come: Vec<usize> = (0..events.len())
            .filter(|event| events[*event].revocation.is_some())
            .collect();
        to_come.sort_by_key(|event| std::cmp::Reverse(events[*event].due()));
        Self {
            occurrences: occurrences.map(Arc::clone),
            cell,
            start,
            to_come,
            running: Vec::new(),
            happened: vec![Happened::default(); events.len()],
        }
    }

    fn event(&self, event: usize) -> Option<&EventPlan> {
        self.occurrences.as_ref()?.events().get(event)
    }

    /// Time until there is something to do.
    pub(super) fn until_next(&self) -> Duration {
        if !self.running.is_empty() {
            return LOOK_AGAIN;
        }
        let next = self.to_come.last();
        next.map_or(Duration::MAX, |event| self.until_due(*event))
    }

    /// Does what is due.
    pub(super) fn look(&mut self, target: Option<&dyn TargetView>) {
        while let Some(event) = self.to_come.last().copied()
            && self.until_due(event).is_zero()
        {
            self.to_come.pop();
            if let Err(why) = self.revoke(event, target) {
                self.happened[event].error = Some(why);
            }
        }
        let mut running = std::mem::take(&mut self.running);
        running.retain_mut(|hook| !self.has_ended(hook));
        self.running.append(&mut running);
    }

    fn until_due(&self, event: usize) -> Duration {
        self.event(event).map_or(Duration::ZERO, |event| {
            (self.start + event.due()).saturating_duration_since(Instant::now())
        })
    }

    /// Ends commands that still run, since a trial waits for nobody, and says what was done.
    pub(super) fn finish(mut self, target: Option<&dyn TargetView>) -> Vec<Happened> {
        self.look(target);
        for mut hook in std::mem::take(&mut self.running) {
            hook.kill();
            self.happened[hook.event].error =
                Some("the hook had not ended when the trial did, and was killed".into());
        }
        for event in std::mem::take(&mut self.to_come) {
            self.happened[event].error = Some("the trial ended before its time came".into());
        }
        std::mem::take(&mut self.happened)
    }

    fn revoke(&mut self, event: usize, target: Option<&dyn TargetView>) -> Result<(), String> {
        let Some(occurrences) = self.occurrences.clone() else {
            return Ok(());
        };
        let Some(Revocation {
            revoker,
            file,
            hook,
        }) = &occurrences.events()[event].revocation
        else {
            return Ok(());
        };
        let now_ns = ns_between(self.start, Instant::now());
        let serials = occurrences.serials(event, now_ns)?;
        self.happened[event].revoked = serials.len() as u64;
        let list = revoker.list(serials).map_err(|error| error.to_string())?;
        match (file, target) {
            (Some(file), _) => revoked_in(file, list).map_err(|error| error.to_string())?,
            (None, Some(target)) => target.replace_list(self.cell, Some(&list))?,
            (None, None) => {}
        }
        let at_ns = ns_between(self.start, Instant::now());
        self.happened[event].in_place_ns = Some(at_ns);
        occurrences.put_in_place(event, at_ns);
        if let Some(command) = hook {
            let hook = Hook::start(event, command).map_err(|error| format!("the hook: {error}"))?;
            self.running.push(hook);
        }
        Ok(())
    }

    /// Whether a command has ended; one that takes too long is.
    fn has_ended(&mut self, hook: &mut Hook) -> bool {
        let ended = match hook.child.try_wait() {
            Ok(None) if hook.began.elapsed() < LONGEST => return false,
            Ok(None) => {
                hook.kill();
                Err(format!(
                    "the hook did not end within {} s and was killed",
                    LONGEST.as_secs()
                ))
            }
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(status)) => Err(format!("the hook failed ({status}): {}", hook.last_words())),
            Err(error) => Err(format!("the hook: {error}")),
        };
        let happened = &mut self.happened[hook.event];
        match ended {
            Ok(()) => happened.hook_ended_ns = Some(ns_between(self.start, Instant::now())),
            Err(why) => happened.error = Some(why),
        }
        true
    }
}

impl Drop for Happenings {
    fn drop(&mut self) {
        self.running.iter_mut().for_each(Hook::kill);
    }
}

impl Hook {
    fn start(event: usize, command: &str) -> io::Result<Self> {
        let said = tempfile::tempfile()?;
        let child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said.try_clone()?)
            .process_group(0)
            .spawn()?;
        Ok(Self {
            event,
            child,
            began: Instant::now(),
            said,
        })
    }

    fn kill(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // One that has just ended needs none.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }

    fn last_words(&mut self) -> String {
        let mut said = Vec::new();
        let end = self.said.seek(SeekFrom::End(0)).unwrap_or(0);
        let from = end.saturating_sub(LAST_WORDS as u64);
        let _ = self.said.seek(SeekFrom::Start(from));
        let _ = self.said.read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said);
        escape_untrusted(said.trim(), LAST_WORDS)
    }
}
