//! HL7 version 2 acknowledgements, as far as they say whether a message was taken (HL7 2.5 chapter 2).

/// Whether an answer to `message` takes it.
///
/// Fails with the acknowledgement's code where it does not, or with what the answer is otherwise.
pub(super) fn judge(message: &[u8], answer: &[u8]) -> Result<(), Refusal> {
    let code = value(answer, b"MSA", 1);
    match code {
        Some(b"AA" | b"CA") => {
            let (asked, acknowledged) = (value(message, b"MSH", 9), value(answer, b"MSA", 2));
            if asked.is_some() && asked != acknowledged {
                return Err(Refusal::OfAnother);
            }
            Ok(())
        }
        Some(code @ (b"AE" | b"AR" | b"CE" | b"CR")) => {
            let text = value(answer, b"MSA", 3).or_else(|| value(answer, b"ERR", 3));
            let text = String::from_utf8_lossy(text.unwrap_or_default()).into_owned();
            Err(Refusal::Code(
                String::from_utf8_lossy(code).into_owned(),
                text,
            ))
        }
        _ => Err(Refusal::NoAcknowledgement),
    }
}

/// Why an answer takes no message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The code, and the reason given.
    Code(String, String),
    /// It acknowledges another message.
    OfAnother,
    /// It acknowledges none.
    NoAcknowledgement,
}

/// A field of the first segment of that name. In MSH, whose first field is the separator itself, the numbers are one
/// less than in the standard.
pub(super) fn value<'m>(message: &'m [u8], segment: &[u8], field: usize) -> Option<&'m [u8]> {
    let mut segments = message.split(|byte| matches!(byte, b'\r' | b'\n' | 0x0b | 0x1c));
    let header = segments
        .clone()
        .find_map(|line| line.strip_prefix(b"MSH"))?;
    let separator = header.first()?;
    let found = segments.find_map(|line| line.strip_prefix(segment))?;
    found.split(|byte| byte == separator).nth(field)
}

/// The acknowledgement of a message, which takes it.
pub(super) fn acknowledge(message: &[u8]) -> Vec<u8> {
    let id = value(message, b"MSH", 9).unwrap_or_default();
    [
        b"MSH|^~\\&|SHAKEDOWN|||||||ACK|",
        id,
        b"|P|2.5\rMSA|AA|",
        id,
        b"\r",
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"\x0bMSH|^~\\&|A|B|C|D|20261130||ADT^A01|42|P|2.5\rPID|1\r\x1c\r";

    #[test]
    fn only_an_acknowledgement_of_the_message_takes_it() {
        assert_eq!(judge(MESSAGE, &acknowledge(MESSAGE)), Ok(()));
        let answer = |msa: &str| format!("MSH|^~\\&|\r{msa}\r").into_bytes();
        assert_eq!(judge(MESSAGE, &answer("MSA|CA|42")), Ok(()));
        assert_eq!(
            judge(MESSAGE, &answer("MSA|AA|43")),
            Err(Refusal::OfAnother)
        );
        let refused = Refusal::Code("AR".to_owned(), "no".to_owned());
        assert_eq!(judge(MESSAGE, &answer("MSA|AR|42|no")), Err(refused));
        assert_eq!(
            judge(MESSAGE, &answer("PID|1")),
            Err(Refusal::NoAcknowledgement)
        );
    }
}
