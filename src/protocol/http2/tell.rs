//! What a recorded answer says: h2 reads it again, for a client that asked on as many streams as the server answers.

use std::task::{Context, Poll};

use http::Method;

use super::client::{Answer, Ask, Flow, open, settings};
use super::frame::Head;
use super::pump::{Pump, Turn};
use super::request::{MOST_STREAMS, Prepared};
use crate::protocol::{Draws, ProtocolError, http1};
use crate::text::escape_untrusted;
use crate::units::counted;

/// Most characters of an error that are shown.
const SHOWN: usize = 160;

/// A recorded answer to the first of some requests.
pub(in crate::protocol) struct Heard {
    /// The answer as far as it was recorded, or what came instead.
    pub answer: Result<Answer, ProtocolError>,
    /// Whether the answer was recorded to its end.
    pub whole: bool,
    /// How many streams the server answered, and how many it allows at once if it said so.
    streams: usize,
    most: Option<usize>,
}

impl Heard {
    /// `1 stream of max 100`.
    pub(in crate::protocol) fn streams(&self) -> String {
        let streams = counted(self.streams as u64, "stream");
        match self.most {
            Some(most) => format!("{streams} of max {most}"),
            None => streams,
        }
    }
}

/// What the beginning of a server's data says.
pub(super) fn tell(bytes: &[u8]) -> Option<String> {
    if bytes.starts_with(b"HTTP/") {
        return (http1::TRAITS.tell)(bytes);
    }
    let heard = replay(bytes)?;
    Some(match &heard.answer {
        Ok(answer) => format!(
            "HTTP/2 {}, {}{}, {}",
            answer.status,
            if heard.whole { "" } else { "at least " },
            counted(answer.length, "byte"),
            heard.streams(),
        ),
        Err(error) => escape_untrusted(&error.to_string(), SHOWN),
    })
}

/// Reads a recorded answer; `None` if it says nothing of the request.
pub(in crate::protocol) fn replay(bytes: &[u8]) -> Option<Heard> {
    let mut builder = settings();
    let (mut send, mut pump) = Pump::new(builder.initial_max_send_streams(usize::MAX)).ok()?;
    let streams = streams(bytes);
    let mut flows: Vec<_> = std::iter::repeat_with(|| Flow::Waiting)
        .take(streams)
        .collect();
    let everything = Everything(Prepared::bare(Method::GET));
    let mut first = None;
    let mut listen = |cx: &mut Context<'_>, turn: &mut Turn| {
        for (number, flow) in flows.iter_mut().enumerate() {
            if matches!(flow, Flow::Waiting)
                && let Poll::Ready(Ok(response)) =
                    open(everything.prepared(), &mut Draws::default(), &mut send, cx)
            {
                *flow = Flow::Asked(response);
            }
            if let Poll::Ready(answer) = flow.poll(&everything, &mut None, cx, turn)
                && number == 0
            {
                first = Some(answer);
            }
        }
        Poll::<()>::Pending
    };
    // The requests are there before their answers. How the connection ends is told by the stream.
    let _ = pump.replay(&[], &mut listen);
    let _ = pump.replay(bytes, &mut listen);
    let most = send.current_max_send_streams();
    let whole = first.is_some();
    let answer = first.or_else(|| match flows.into_iter().next() {
        Some(Flow::Answered(answer, _)) => Some(Ok(*answer)),
        _ => None,
    });
    Some(Heard {
        answer: answer?,
        whole,
        streams,
        // Some servers write the largest number there is for no limit.
        most: (most < u32::MAX as usize).then_some(most),
    })
}

/// How many requests the server speaks of: a client's streams are the odd ones. At least one.
fn streams(mut bytes: &[u8]) -> usize {
    let mut last = 1;
    while let Some((head, rest)) = bytes.split_first_chunk() {
        let head = Head::of(head);
        last = last.max(head.stream);
        bytes = rest.get(head.length..).unwrap_or_default();
    }
    last.div_ceil(2).min(MOST_STREAMS) as usize
}

/// Takes every answer and reads its beginning.
#[derive(Debug)]
struct Everything(Prepared);

impl Ask for Everything {
    fn prepared(&self) -> &Prepared {
        &self.0
    }

    fn reads(&self, _: u16) -> bool {
        true
    }

    fn judge(&self, _: &Answer) -> Result<(), ProtocolError> {
        Ok(())
    }
}
