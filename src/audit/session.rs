//! One session of an audit, and whether the server accepted it.

use crate::probe::{self, Manner, ProbePlan, connect, is_about_request};
use crate::session::Observer;
use crate::stats::{FailureClass, Offer, OkKind, Stage};
use crate::text::{UNTRUSTED_CAP, escape_untrusted};
use crate::tls::{ClientStream, ClientTls, Failure, SessionStream};

/// The alert that says that the version is not spoken (RFC 8446 section 6.2).
const PROTOCOL_VERSION: u8 = 70;

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// The server accepted it.
    Accepted,
    /// The server turned it away, with the class of the failure and its text.
    Refused(String),
    /// The server does not speak this version.
    NotSpoken,
    /// It ended without telling what the server thinks of us.
    Unknown(String),
}

/// What one session has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Met {
    pub ending: Ending,
    /// A ticket, or session id, was offered.
    pub offered: bool,
    /// The handshake resumed an earlier session.
    pub resumed: bool,
}

/// Makes one session with the server of `plan`; offers a stored ticket if `resume`. Every wait has
/// the plan's limit, so it ends whatever the server does.
pub(super) async fn session(plan: &ProbePlan, tls: &ClientTls, resume: bool) -> Met {
    let mut met = Met {
        ending: Ending::Accepted,
        offered: false,
        resumed: false,
    };
    if let Err(failure) = make(plan, tls, resume, &mut met).await {
        met.ending = ending(plan.protocol.expects_no_status(), failure);
    }
    met
}

async fn make(
    plan: &ProbePlan,
    tls: &ClientTls,
    resume: bool,
    met: &mut Met,
) -> Result<(), Failure> {
    let (io, _) = connect(plan, &mut Vec::new()).await?;
    let manner = Manner {
        resume,
        ..Manner::default()
    };
    let (_, ended) = probe::session(plan, io, tls, manner, met).await?;
    ended?;
    Ok(())
}

impl Observer<ClientStream> for Met {
    type Wire<'a> = &'a mut ClientStream;

    fn wire<'a>(&'a mut self, stream: &'a mut ClientStream) -> &'a mut ClientStream {
        stream
    }

    fn offered(&mut self, stream: &ClientStream) {
        self.offered = matches!(stream.offer(), Offer::Sent { .. });
        self.resumed = stream.kind() == Some(OkKind::Resumed);
    }
}

/// What a failure says about the server's opinion of us. Where nobody said which statuses to expect
/// (`unsaid`), one about the request is an acceptance.
pub(super) fn ending(unsaid: bool, (class, message): Failure) -> Ending {
    let told = format!("{class}: {}", escape_untrusted(&message, UNTRUSTED_CAP));
    match class {
        FailureClass::Alert(PROTOCOL_VERSION) | FailureClass::TlsProtocol => Ending::NotSpoken,
        FailureClass::HttpStatus(status) if unsaid && is_about_request(status) => Ending::Accepted,
        // It had not seen our certificate.
        FailureClass::Eof(Stage::WayIn) | FailureClass::Reset(Stage::WayIn) => {
            Ending::Unknown(told)
        }
        FailureClass::Answer(fault, code) if !fault.refuses(code) => Ending::Unknown(told),
        FailureClass::Alert(_)
        | FailureClass::Answer(..)
        | FailureClass::HttpStatus(_)
        | FailureClass::HttpRedirect(_)
        | FailureClass::Eof(_)
        | FailureClass::Reset(_)
        | FailureClass::Unconfirmed => Ending::Refused(told),
        _ => Ending::Unknown(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_from_trouble_and_from_an_answer() {
        let of = |class| ending(true, (class, "x\u{1b}".to_owned()));
        assert_eq!(of(FailureClass::HttpStatus(404)), Ending::Accepted);
        assert_eq!(of(FailureClass::Alert(PROTOCOL_VERSION)), Ending::NotSpoken);
        let Ending::Refused(told) = of(FailureClass::HttpStatus(400)) else {
            panic!("nginx refuses clients with 400");
        };
        assert!(!told.contains('\u{1b}'), "{told:?}");
        for class in [FailureClass::HttpRedirect(302), FailureClass::Unconfirmed] {
            assert!(matches!(of(class), Ending::Refused(_)), "{class}");
        }
        let listed = ending(false, (FailureClass::HttpStatus(404), String::new()));
        assert!(matches!(listed, Ending::Refused(_)));
        let Ending::Unknown(told) = of(FailureClass::Unanswered(Stage::Confirm)) else {
            panic!("silence is no refusal");
        };
        assert!(told.starts_with("unanswered.confirm"), "{told}");
    }
}
