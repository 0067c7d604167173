//! What a server's frames say, in one line for a probe. The kind of frame is seen from its beginning.

use super::{Frame, fix, hl7};
use crate::text::{escape_untrusted, first_line};

/// Most characters that are told.
const MOST_TOLD: usize = 120;

/// What the beginning of a server's data says.
pub(super) fn tell(answer: &[u8]) -> Option<String> {
    let told = match answer {
        [] => return None,
        [0x0b, ..] => hl7(answer),
        [b'8', b'=', b'F', b'I', b'X', ..] => fix(answer),
        [0x02, 0, _, _, _, _, ..] => "DICOM association accepted".to_owned(),
        [0x03, 0, _, _, _, _, ..] => "DICOM association rejected".to_owned(),
        _ => format!("\"{}\"", first_line(answer)),
    };
    Some(escape_untrusted(&told, MOST_TOLD))
}

fn hl7(answer: &[u8]) -> String {
    let text = |field| hl7::value(answer, b"MSA", field).map(String::from_utf8_lossy);
    match text(1) {
        None => "an HL7 message without an acknowledgement (MSA)".to_owned(),
        Some(code) => {
            let of = text(2).unwrap_or_default();
            let said = text(3).filter(|text| !text.is_empty());
            let said = said.map_or(String::new(), |text| format!(": {text}"));
            format!("HL7 ACK {code} for message {of}{said}")
        }
    }
}

fn fix(answer: &[u8]) -> String {
    let end = Frame::Fix.complete(answer).ok().flatten();
    let message = &answer[..end.unwrap_or(answer.len())];
    let text = |tag| fix::field(message, tag).map(String::from_utf8_lossy);
    let kind = text("35").unwrap_or_default();
    let from = text("49").unwrap_or_default();
    match (&*kind, text("58")) {
        ("A", _) => {
            let beats = text("108").unwrap_or_default();
            format!("FIX Logon from {from}, heartbeat {beats} s")
        }
        ("5", said) => format!("FIX Logout from {from}: {}", said.unwrap_or_default()),
        ("3" | "j", said) => format!("FIX Reject from {from}: {}", said.unwrap_or_default()),
        _ => format!("FIX message of type {kind} from {from}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_frame_is_told() {
        let ack = b"\x0bMSH|^~\\&|HIS|||||||ACK|7|P|2.5\rMSA|AE|7|no \x1b[31mroom\r\x1c\r";
        let logon = b"8=FIX.4.4\x019=5\x0135=A\x0149=VENUE\x01108=30\x0110=000\x01";
        let logout = b"8=FIX.4.4\x019=5\x0135=5\x0149=VENUE\x0158=unknown sender\x01";
        for (answer, told) in [
            (&ack[..], "HL7 ACK AE for message 7: no \\u{1b}[31mroom"),
            (logon, "FIX Logon from VENUE, heartbeat 30 s"),
            (logout, "FIX Logout from VENUE: unknown sender"),
            (b"\x02\x00\x00\x00\x00\x9a", "DICOM association accepted"),
            (b"+PONG\r\n", "\"+PONG\""),
            (b"\x0b", "an HL7 message without an acknowledgement (MSA)"),
        ] {
            assert_eq!(tell(answer).as_deref(), Some(told));
        }
        assert_eq!(tell(b""), None);
    }
}
