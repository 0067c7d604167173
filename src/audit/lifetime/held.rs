//! A session that is held open in a task of its own, and what is known of it so far.

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local};

use crate::audit::session::{Ending, ending};
use crate::probe::{self, Manner, ProbePlan, connect};
use crate::session::{Observer, Release};
use crate::stats::{OkKind, Proof};
use crate::text::{UNTRUSTED_CAP, escape_untrusted};
use crate::tls::{ClientStream, ClientTls, Failure};

/// The time between two exchanges of a held session: short against what is reported, and no load.
const PACE: Duration = Duration::from_millis(200);
/// It is released long before.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);

/// What a held session has shown.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The server accepted it.
    pub accepted: bool,
    /// When each exchange was answered.
    pub answers: Vec<Instant>,
    /// How it ended unless we ended it, and when.
    pub end: Option<(Instant, Ending)>,
}

/// A held session.
pub(super) struct Held {
    log: Rc<RefCell<Log>>,
    news: Rc<Notify>,
    release: Rc<Notify>,
    task: JoinHandle<()>,
}

impl Held {
    /// Opens a session, which is held until it is released. Every wait of it has the plan's limit.
    pub(super) fn open(plan: &ProbePlan, tls: ClientTls) -> Self {
        let (log, news) = (Rc::default(), Rc::new(Notify::new()));
        let release = Rc::new(Notify::new());
        let mut plan = plan.clone();
        plan.protocol.every = Some(PACE);
        let mut watcher = Watcher {
            log: Rc::clone(&log),
            news: Rc::clone(&news),
            release: Rc::clone(&release),
        };
        let task = spawn_local(async move {
            if let Err(failure) = make(&plan, &tls, &mut watcher).await {
                watcher.ends(ending(plan.protocol.expects_no_status(), failure));
            }
        });
        Self {
            log,
            news,
            release,
            task,
        }
    }

    /// Waits until the server has accepted it or not.
    pub(super) async fn settled(&self) {
        while !self.log().accepted && self.log().end.is_none() {
            self.news.notified().await;
        }
    }

    pub(super) fn log(&self) -> Ref<'_, Log> {
        self.log.borrow()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.log().end.is_some()
    }

    /// Closes it, and returns what it has shown.
    pub(super) async fn release(self) -> Log {
        self.release.notify_one();
        if let Err(error) = self.task.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
        self.log.take()
    }
}

async fn make(plan: &ProbePlan, tls: &ClientTls, watcher: &mut Watcher) -> Result<(), Failure> {
    let (io, _) = connect(plan, &mut Vec::new()).await?;
    let manner = Manner {
        hold: LONGEST,
        ..Manner::default()
    };
    let (_, ended) = probe::session(plan, io, tls, manner, watcher).await?;
    ended?;
    Ok(())
}

struct Watcher {
    log: Rc<RefCell<Log>>,
    news: Rc<Notify>,
    release: Rc<Notify>,
}

impl Watcher {
    fn ends(&self, how: Ending) {
        self.log
            .borrow_mut()
            .end
            .get_or_insert((Instant::now(), how));
        self.news.notify_one();
    }
}

impl Observer<ClientStream> for Watcher {
    type Wire<'a> = &'a mut ClientStream;

    fn wire<'a>(&'a mut self, stream: &'a mut ClientStream) -> &'a mut ClientStream {
        stream
    }

    fn answered(&mut self, _kind: OkKind, _asked: Instant, at: Instant) {
        self.log.borrow_mut().answers.push(at);
    }

    fn accepted(&mut self, _kind: OkKind, _proof: Proof) {
        self.log.borrow_mut().accepted = true;
        self.news.notify_one();
    }

    fn released(&mut self, lost: Option<Failure>) {
        if let Some((class, message)) = lost {
            let told = escape_untrusted(&message, UNTRUSTED_CAP);
            self.ends(Ending::Refused(format!("{class}: {told}")));
        }
    }

    async fn until_released(&self) -> Release {
        self.release.notified().await;
        Release::Close
    }
}
