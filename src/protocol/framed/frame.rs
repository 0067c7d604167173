//! The frames: where one ends, and how a message is put into one.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::fix;

/// Largest frame that is read, in bytes.
pub(super) const FRAME_CAP: usize = 1 << 20;

/// The first byte of an MLLP block (HL7 MLLP, Release 1).
pub(super) const MLLP_START: u8 = 0x0b;
/// The last two.
const MLLP_END: [u8; 2] = [0x1c, b'\r'];

/// How messages are told apart on a byte stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// By line ends.
    Line,
    /// HL7's Minimal Lower Layer Protocol: between a vertical tab and a file separator with a carriage return.
    Mllp,
    /// FIX: by the message's own length and checksum.
    Fix,
    /// By a length in big-endian order that counts the bytes behind it.
    Length {
        /// Bytes before the length.
        offset: usize,
        /// Bytes of the length, 1 to 4.
        width: usize,
    },
}

impl Frame {
    /// Bytes of the frame that stands at the beginning of `buffer`; none while it is not whole.
    ///
    /// Fails with what is wrong if no frame begins there, or if it is over the cap.
    pub(super) fn complete(self, buffer: &[u8]) -> Result<Option<usize>, String> {
        let found = match self {
            Self::Line => position(buffer, b"\n").map(|at| at + 1),
            Self::Mllp => match buffer.first() {
                None => None,
                Some(&MLLP_START) => position(buffer, &MLLP_END).map(|at| at + MLLP_END.len()),
                Some(byte) => {
                    return Err(format!("a block begins with byte {byte:#04x}, not 0x0b"));
                }
            },
            Self::Fix => fix::complete(buffer)?,
            Self::Length { offset, width } => match buffer.get(offset..offset + width) {
                None => None,
                Some(length) => {
                    let length = length
                        .iter()
                        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                    let whole = offset + width + length;
                    if whole > FRAME_CAP {
                        return Err(format!(
                            "a frame says it has {whole} bytes, over the limit of 1 MiB"
                        ));
                    }
                    (buffer.len() >= whole).then_some(whole)
                }
            },
        };
        if found.unwrap_or(buffer.len()) > FRAME_CAP {
            return Err("a frame is over the limit of 1 MiB".to_owned());
        }
        Ok(found)
    }

    /// The message in a frame. One that is in one already, or brings its own length, stays as it is.
    pub(super) fn wrap(self, message: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Line if !message.ends_with(b"\n") => Cow::Owned([message, b"\n"].concat()),
            Self::Mllp if message.first() != Some(&MLLP_START) => {
                Cow::Owned([&[MLLP_START], message, &MLLP_END].concat())
            }
            _ => Cow::Borrowed(message),
        }
    }
}

/// Where `what` begins in `bytes`.
fn position(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

impl FromStr for Frame {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || {
            format!("{text:?} is no kind of frame; write line, mllp, fix or length:OFFSET:WIDTH")
        };
        Ok(match text {
            "line" => Self::Line,
            "mllp" => Self::Mllp,
            "fix" => Self::Fix,
            _ => {
                let numbers = text
                    .strip_prefix("length:")
                    .and_then(|rest| rest.split_once(':'));
                let (offset, width) = numbers.ok_or_else(unknown)?;
                let offset = offset.parse().map_err(|_| unknown())?;
                let width = width.parse().map_err(|_| unknown())?;
                if offset > 64 || !(1..=4).contains(&width) {
                    return Err(format!(
                        "{text:?}: the offset is 0 to 64 bytes, the width 1 to 4"
                    ));
                }
                Self::Length { offset, width }
            }
        })
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line => f.write_str("line"),
            Self::Mllp => f.write_str("mllp"),
            Self::Fix => f.write_str("fix"),
            Self::Length { offset, width } => write!(f, "length:{offset}:{width}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DICOM: Frame = Frame::Length {
        offset: 2,
        width: 4,
    };

    #[test]
    fn a_frame_is_whole_at_its_last_byte() {
        let fix = b"8=FIX.4.4\x019=5\x0135=0\x0110=163\x01";
        for (frame, whole) in [
            (Frame::Line, &b"ok\n"[..]),
            (Frame::Mllp, b"\x0bMSH|\x1c\r"),
            (Frame::Fix, fix),
            (DICOM, b"\x02\x00\x00\x00\x00\x03abc"),
        ] {
            for end in 0..whole.len() {
                assert_eq!(frame.complete(&whole[..end]), Ok(None), "{frame} {end}");
            }
            assert_eq!(frame.complete(whole), Ok(Some(whole.len())), "{frame}");
            let more = [whole, b"rest"].concat();
            assert_eq!(frame.complete(&more), Ok(Some(whole.len())), "{frame}");
        }
    }

    #[test]
    fn what_is_no_frame_or_too_large_is_refused() {
        assert!(Frame::Mllp.complete(b"MSH|").is_err());
        assert!(Frame::Fix.complete(b"HTTP/1.1 400").is_err());
        assert!(DICOM.complete(b"\x02\x00\xff\xff\xff\xff").is_err());
        assert!(Frame::Line.complete(&vec![b'a'; FRAME_CAP + 1]).is_err());
    }

    #[test]
    fn messages_are_wrapped_once() {
        assert_eq!(&*Frame::Mllp.wrap(b"MSH|"), b"\x0bMSH|\x1c\r");
        assert_eq!(&*Frame::Mllp.wrap(b"\x0bMSH|\x1c\r"), b"\x0bMSH|\x1c\r");
        assert_eq!(&*Frame::Line.wrap(b"a"), b"a\n");
        assert_eq!(&*Frame::Line.wrap(b"a\n"), b"a\n");
    }

    #[test]
    fn kinds_are_read_and_written() {
        for text in ["line", "mllp", "fix", "length:2:4", "length:0:1"] {
            assert_eq!(text.parse::<Frame>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "lines",
            "length",
            "length:1",
            "length:0:5",
            "length:65:4",
            "length:-1:2",
        ] {
            assert!(wrong.parse::<Frame>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..64), kind in 0..4usize) {
            let frame = [Frame::Line, Frame::Mllp, Frame::Fix, DICOM][kind];
            if let Ok(Some(end)) = frame.complete(&bytes) {
                prop_assert!(end <= bytes.len());
            }
        }
    }
}
