//! Framed messages: bytes of a file are sent, and one frame is awaited. Under it run HL7 (MLLP), FIX, DICOM and
//! line protocols.
//!
//! The frame alone proves that the server speaks to us; an acknowledgement that refuses (HL7 `AE`, `AR`), a FIX
//! Logout or Reject, and a frame that does not match what is expected are failures.

mod fix;
mod frame;
mod hl7;
mod pattern;
mod serve;
mod tell;

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::time::{Duration, Instant, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use self::fix::Template;
pub use self::frame::Frame;
pub use self::pattern::FramePattern;
pub(super) use self::serve::serve;
use super::{
    Asked, Converse, LARGEST_PAYLOAD, Next, Problem, ProtocolError, ProtocolSection, Traits, Who,
    Wire,
};
use crate::clock::compact_utc;
use crate::files::read_capped;
use crate::stats::{AnswerCode, AnswerFault};
use crate::text::first_line;

/// Most bytes shown of a frame.
const SHOWN: usize = 120;
/// Seconds between heartbeats of a FIX session whose Logon names none.
const USUAL_HEARTBEAT: u64 = 30;
/// Most FIX messages that are no answer, before the one that is.
const MOST_OTHERS: usize = 64;

const REJECTED: &AnswerFault = &AnswerFault {
    label: "frame.rejected",
    code: AnswerCode::None,
    refuses: &[AnswerCode::None],
    advice: "the server refuses the message or the session in its own protocol (HL7 AE or AR, FIX Logout or Reject); the example has its reason",
};

const MISMATCH: &AnswerFault = &AnswerFault {
    label: "frame.mismatch",
    code: AnswerCode::None,
    refuses: &[],
    advice: "the answer is not the expected one; compare the example with --expect-frame, and check --frame and --send",
};

const BROKEN: &AnswerFault = &AnswerFault {
    label: "frame.protocol",
    code: AnswerCode::None,
    refuses: &[],
    advice: "the server's bytes are no frames of this kind; check --frame, and whether the server speaks this protocol on this port",
};

pub(super) const TRAITS: Traits = Traits {
    label: "framed",
    name: "framed messages",
    schemes: &[],
    alpn: &["dicom"],
    offers: &[],
    server_may_speak_first: false,
    keys: &[
        "exchanges",
        "think",
        "every",
        "data",
        "data-file",
        "frame",
        "expect-frame",
    ],
    faults: &[REJECTED, MISMATCH, BROKEN],
    tell: tell::tell,
};

/// What is sent, and what is expected.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    frame: Frame,
    /// The message in its frame; of FIX nothing.
    bytes: Vec<u8>,
    fix: Option<FixPlan>,
    expect: Option<FramePattern>,
}

/// The messages of a FIX session.
#[derive(Debug, Clone, PartialEq)]
struct FixPlan {
    logon: Template,
    /// The requests, in turn; none stands for test requests.
    requests: Vec<Template>,
    heartbeat: Duration,
}

impl FixPlan {
    fn new(messages: &[u8], key: &'static str) -> Result<Self, Problem> {
        let remedy = "begin with a Logon: 8=FIX.4.4|35=A|49=SENDER|56=TARGET|98=0|108=30|";
        let problem = |cause: &str| Problem::new(key, cause, remedy);
        let mut messages = Template::all(messages).map_err(problem)?.into_iter();
        let logon = messages.next().filter(Template::is_logon);
        let logon = logon.ok_or_else(|| problem("a FIX session begins with a Logon (35=A)"))?;
        if logon.field("49").is_none() || logon.field("56").is_none() {
            return Err(problem(
                "the Logon does not say who sends it to whom (49=, 56=)",
            ));
        }
        let interval = logon.field("108").map(String::from_utf8_lossy);
        let seconds = match interval {
            None => USUAL_HEARTBEAT,
            Some(text) => text
                .parse()
                .map_err(|_| problem("108= is no number of seconds"))?,
        };
        // Every session begins with message 1 (FIX Session Layer, ResetSeqNumFlag).
        let logon = logon
            .with("98", b"0")
            .with("108", seconds.to_string().as_bytes());
        Ok(Self {
            logon: logon.with("141", b"Y"),
            requests: messages.collect(),
            heartbeat: Duration::from_secs(seconds.max(1)),
        })
    }
}

impl Request {
    pub(crate) fn new(section: &ProtocolSection, _: Option<&Asked<'_>>) -> Result<Self, Problem> {
        let Some(frame) = section.frame else {
            return Err(Problem::new(
                "protocol.frame",
                "framed messages need to know where one ends",
                "write line, mllp, fix or length:OFFSET:WIDTH (--frame)",
            ));
        };
        let (key, message) = match (&section.data, &section.data_file) {
            (Some(text), None) => ("protocol.data", text.clone().into_bytes()),
            (None, Some(path)) => {
                let failed = |error: io::Error| {
                    let cause = format!("cannot read {}: {error}", path.display());
                    Problem::new("protocol.data-file", cause, "check the path")
                };
                (
                    "protocol.data-file",
                    read_capped(path, LARGEST_PAYLOAD).map_err(failed)?,
                )
            }
            _ => {
                return Err(Problem::new(
                    "protocol.data-file",
                    "an exchange needs one message to send",
                    "give data-file (--send FILE) or data",
                ));
            }
        };
        if message.is_empty() {
            return Err(Problem::new(
                key,
                "the message is empty",
                "give one to send",
            ));
        }
        let fix = (frame == Frame::Fix)
            .then(|| FixPlan::new(&message, key))
            .transpose()?;
        let bytes = match fix {
            Some(_) => Vec::new(),
            None => frame.wrap(&message).into_owned(),
        };
        let expect = section.expect_frame.clone();
        Ok(Self {
            frame,
            bytes,
            fix,
            expect,
        })
    }

    /// What the first exchange writes; the Logon of FIX has a time and is not known ahead.
    pub(crate) fn opening(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    /// Judges the answer to a message.
    fn judge(&self, answer: &[u8]) -> Result<(), ProtocolError> {
        if self.frame == Frame::Mllp {
            hl7::judge(&self.bytes, answer).map_err(|refusal| match refusal {
                hl7::Refusal::Code(code, text) => failed(REJECTED, format!("HL7 {code}: {text}")),
                hl7::Refusal::OfAnother => failed(
                    MISMATCH,
                    "the acknowledgement (MSA-2) is of another message".to_owned(),
                ),
                hl7::Refusal::NoAcknowledgement => {
                    failed(MISMATCH, format!("no acknowledgement: {}", shown(answer)))
                }
            })?;
        }
        match &self.expect {
            Some(pattern) if !pattern.matches(answer) => Err(failed(
                MISMATCH,
                format!("expected {pattern}, got \"{}\"", shown(answer)),
            )),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "framed messages ({})", self.frame)
    }
}

/// The exchanges of one session.
#[derive(Debug)]
pub struct Conversation<'p> {
    request: &'p Request,
    /// What came and was not yet taken.
    inbox: Vec<u8>,
    /// What is to be sent. It outlives a future that is dropped half-way.
    outbox: Vec<u8>,
    /// FIX: the number of the last message sent, and of exchanges made.
    sent: u64,
    asked: usize,
}

impl<'p> Conversation<'p> {
    pub(super) fn new(request: &'p Request, _: Who<'_>) -> Self {
        Self {
            request,
            inbox: Vec::new(),
            outbox: Vec::new(),
            sent: 0,
            asked: 0,
        }
    }

    /// Sends everything in the outbox. May be dropped at any time.
    async fn flush<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        while !self.outbox.is_empty() {
            let sent = stream.write(&self.outbox).await?;
            if sent == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            self.outbox.drain(..sent);
        }
        stream.flush().await?;
        Ok(())
    }

    /// The next frame. May be dropped at any time.
    async fn receive<S: Wire>(&mut self, stream: &mut S) -> Result<Vec<u8>, ProtocolError> {
        loop {
            let whole = self.request.frame.complete(&self.inbox);
            if let Some(end) = whole.map_err(|cause| failed(BROKEN, cause))? {
                return Ok(self.inbox.drain(..end).collect());
            }
            self.inbox.reserve(512);
            if stream.read_buf(&mut self.inbox).await? == 0 {
                if self.inbox.is_empty() {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                let had = self.inbox.len();
                return Err(failed(
                    BROKEN,
                    format!("the server closed after {had} bytes of a frame"),
                ));
            }
        }
    }

    /// Puts a FIX message into the outbox.
    fn compose(&mut self, message: &Template) {
        self.sent += 1;
        let time = compact_utc(SystemTime::now());
        message.compose(self.sent, &time, &mut self.outbox);
    }

    /// The next FIX message that is for the application or of `kind`. Requests for a sign of life are answered.
    async fn awaited<S: Wire>(
        &mut self,
        stream: &mut S,
        plan: &FixPlan,
        kind: &[u8],
    ) -> Result<Vec<u8>, ProtocolError> {
        for _ in 0..MOST_OTHERS {
            let message = self.receive(stream).await?;
            let come = fix::field(&message, "35").unwrap_or_default();
            match come {
                b"5" | b"3" | b"j" => {
                    let text = fix::field(&message, "58").map_or_else(|| shown(&message), shown);
                    let name = if come == b"5" { "Logout" } else { "Reject" };
                    return Err(failed(REJECTED, format!("FIX {name}: {text}")));
                }
                b"1" => {
                    self.live(plan, &message);
                    self.flush(stream).await?;
                }
                _ if come == kind || !matches!(come, b"0" | b"2" | b"4" | b"A") => {
                    return Ok(message);
                }
                _ => {}
            }
        }
        Err(failed(
            BROKEN,
            format!("{MOST_OTHERS} FIX messages came and none was an answer"),
        ))
    }

    /// Answers a test request.
    fn live(&mut self, plan: &FixPlan, message: &[u8]) {
        let id = fix::field(message, "112").unwrap_or_default();
        self.compose(&plan.logon.sibling("0").with("112", id));
    }

    async fn ask_fix<S: Wire>(
        &mut self,
        stream: &mut S,
        plan: &FixPlan,
    ) -> Result<(), ProtocolError> {
        let number = self.asked;
        self.asked += 1;
        let id = format!("SHAKEDOWN{number}");
        let request = match plan.requests.len() {
            0 => Cow::Owned(plan.logon.sibling("1").with("112", id.as_bytes())),
            count => Cow::Borrowed(&plan.requests[number % count]),
        };
        let sign_of_life = plan.requests.is_empty();
        self.compose(&request);
        self.flush(stream).await?;
        loop {
            let kind: &[u8] = if sign_of_life { b"0" } else { b"" };
            let answer = self.awaited(stream, plan, kind).await?;
            // A heartbeat of its own accord has no id.
            if !sign_of_life || fix::field(&answer, "112") == Some(id.as_bytes()) {
                return self.request.judge(&answer);
            }
        }
    }
}

impl Converse for Conversation<'_> {
    fn begins_with_proof(&self) -> bool {
        self.request.fix.is_some()
    }

    async fn begin<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        let Some(plan) = &self.request.fix else {
            return Ok(());
        };
        self.compose(&plan.logon);
        self.flush(stream).await?;
        let answer = self.awaited(stream, plan, b"A").await?;
        if fix::field(&answer, "35") == Some(b"A") {
            Ok(())
        } else {
            Err(failed(
                BROKEN,
                format!("the answer to the Logon is \"{}\"", shown(&answer)),
            ))
        }
    }

    async fn exchange<S: Wire>(&mut self, stream: &mut S) -> Result<Next, ProtocolError> {
        let request = self.request;
        if let Some(plan) = &request.fix {
            self.ask_fix(stream, plan).await?;
            return Ok(Next::Open);
        }
        self.outbox.extend_from_slice(&request.bytes);
        self.flush(stream).await?;
        let answer = self.receive(stream).await?;
        request.judge(&answer)?;
        if !self.inbox.is_empty() {
            let more = self.inbox.len();
            return Err(failed(MISMATCH, format!("{more} bytes follow the answer")));
        }
        Ok(Next::Open)
    }

    async fn idle<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        let request = self.request;
        let Some(plan) = &request.fix else {
            return super::quiet(stream).await;
        };
        let mut beat = Instant::now();
        loop {
            self.flush(stream).await?;
            let rest = (beat + plan.heartbeat).saturating_duration_since(Instant::now());
            match timeout(rest, self.awaited(stream, plan, b"")).await {
                Ok(Ok(_)) => {}
                Ok(Err(ProtocolError::Io(error)))
                    if error.kind() == io::ErrorKind::UnexpectedEof =>
                {
                    return Ok(());
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    beat = Instant::now();
                    self.compose(&plan.logon.sibling("0"));
                }
            }
        }
    }

    async fn end<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        if let Some(plan) = &self.request.fix {
            self.compose(&plan.logon.sibling("5"));
            self.flush(stream).await?;
        }
        Ok(())
    }
}

fn failed(fault: &'static AnswerFault, message: String) -> ProtocolError {
    let class = fault.class(AnswerCode::None);
    ProtocolError::Answer { class, message }
}

/// The beginning of a frame, for a message.
fn shown(frame: &[u8]) -> String {
    let beginning = &frame[..frame.len().min(SHOWN)];
    let readable: Vec<u8> = beginning
        .iter()
        .map(|b| if matches!(b, 1 | b'\r') { b'|' } else { *b })
        .collect();
    first_line(&readable)
}

#[cfg(test)]
mod tests;
