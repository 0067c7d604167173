//! The embedded target's side. MLLP blocks are acknowledged and FIX sessions kept; any other bytes come back, so that
//! every frame has an answer of its own kind.

use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fix::{Template, field};
use super::{BROKEN, Frame, failed, hl7};
use crate::clock::compact_utc;
use crate::protocol::{ProtocolError, Wire};

/// Serves one session until the client closes it.
pub(in crate::protocol) async fn serve<S: Wire>(stream: &mut S) -> Result<(), ProtocolError> {
    let mut inbox = Vec::with_capacity(1024);
    let mut outbox = Vec::new();
    let mut sent = 0;
    loop {
        if stream.read_buf(&mut inbox).await? == 0 {
            stream.shutdown().await?;
            return Ok(());
        }
        let frame = match inbox.first() {
            Some(0x0b) => Frame::Mllp,
            Some(b'8') if inbox.starts_with(&b"8=FIX"[..inbox.len().min(5)]) => Frame::Fix,
            _ => {
                outbox.append(&mut inbox);
                Frame::Line
            }
        };
        while !inbox.is_empty() {
            let whole = frame
                .complete(&inbox)
                .map_err(|cause| failed(BROKEN, cause))?;
            let Some(end) = whole else { break };
            let message: Vec<u8> = inbox.drain(..end).collect();
            if frame == Frame::Mllp {
                outbox.extend_from_slice(&frame.wrap(&hl7::acknowledge(&message)));
            } else if let Some(answer) = answer(&message) {
                sent += 1;
                answer.compose(sent, &compact_utc(SystemTime::now()), &mut outbox);
            }
        }
        stream.write_all(&outbox).await?;
        stream.flush().await?;
        outbox.clear();
    }
}

/// The answer to a FIX message: a Logon and a Logout of ours, a heartbeat for a `TestRequest`, and an execution report for
/// whatever the application sends.
fn answer(message: &[u8]) -> Option<Template> {
    let kind = field(message, "35").unwrap_or_default();
    let reply = |kind| Template::reply(message, kind);
    Some(match kind {
        b"A" => {
            let interval = field(message, "108").unwrap_or(b"30");
            reply("A").with("98", b"0").with("108", interval)
        }
        b"1" => reply("0").with("112", field(message, "112").unwrap_or_default()),
        b"5" => reply("5"),
        b"0" | b"2" | b"3" | b"4" => return None,
        _ => reply("8"),
    })
}
