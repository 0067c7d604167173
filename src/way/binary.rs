//! Asking for TLS in protocols of bytes: `PostgreSQL`, `MySQL`, LDAP.

use tokio::io::{AsyncRead, AsyncWrite};

use super::WayError;
use super::talk::Talk;
use crate::text::first_line;

/// `PostgreSQL`'s `SSLRequest` (protocol documentation, section "Message Formats").
pub(crate) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

pub(super) async fn postgres<S: AsyncRead + AsyncWrite + Unpin>(
    talk: &mut Talk<'_, S>,
) -> Result<(), WayError> {
    talk.send(&SSL_REQUEST).await?;
    // Nothing of what follows the answer is read with it, so that an error's text is seen only as a whole.
    let answer = talk
        .read(|bytes| Ok(bytes.first().map(|byte| (1, *byte))))
        .await?;
    match answer {
        b'S' => Ok(()),
        b'N' => Err(WayError::refused(
            "the server answered SSLRequest with N: its TLS is off (ssl = on in postgresql.conf)",
        )),
        b'E' => {
            let said = talk.read(error_text).await?;
            let message = format!("the server answered SSLRequest with an error: {said}");
            Err(WayError::refused(message))
        }
        other => Err(WayError::protocol(format!(
            "the server answered SSLRequest with the byte 0x{other:02x}"
        ))),
    }
}

/// The message of an `ErrorResponse` whose type was read.
fn error_text(bytes: &[u8]) -> Result<Option<(usize, String)>, WayError> {
    let Some((length, rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    let Some(body) = length.checked_sub(4) else {
        return Err(WayError::protocol("an error without a length"));
    };
    let Some(body) = rest.get(..body) else {
        return Ok(None);
    };
    let mut fields = body.split(|byte| *byte == 0);
    let message = fields.find_map(|field| field.strip_prefix(b"M"));
    Ok(Some((length, first_line(message.unwrap_or(body)))))
}

/// The capabilities of `MySQL` that we have: long password, protocol 4.1, TLS, secure connection, plugins.
const CAPABILITIES: u32 = 0x1 | 0x200 | CLIENT_SSL | 0x8000 | 0x8_0000;
const CLIENT_SSL: u32 = 0x800;
/// Of what begins an error in place of a greeting.
const MYSQL_ERROR: u8 = 0xff;
const MYSQL_VERSION: u8 = 10;

pub(super) async fn mysql<S: AsyncRead + AsyncWrite + Unpin>(
    talk: &mut Talk<'_, S>,
) -> Result<(), WayError> {
    let greeting = talk
        .read(|bytes| {
            let Some(([a, b, c, _], rest)) = bytes.split_first_chunk() else {
                return Ok(None);
            };
            let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
            Ok(rest.get(..length).map(|body| (4 + length, body.to_vec())))
        })
        .await?;
    if let [MYSQL_ERROR, low, high, text @ ..] = &greeting[..] {
        let code = u16::from_le_bytes([*low, *high]);
        let message = format!("the server greets with error {code}: {}", first_line(text));
        return Err(WayError::refused(message));
    }
    let offered = mysql_capabilities(&greeting).ok_or_else(|| {
        let begin = first_line(&greeting);
        WayError::protocol(format!("this is no MySQL greeting: \"{begin}\""))
    })?;
    if u32::from(offered) & CLIENT_SSL == 0 {
        let message = "the server's greeting does not offer TLS (CLIENT_SSL)";
        return Err(WayError::refused(message));
    }
    let mut request = vec![32, 0, 0, 1];
    request.extend(CAPABILITIES.to_le_bytes());
    request.extend((1_u32 << 24).to_le_bytes());
    // utf8mb4, and what is reserved.
    request.push(45);
    request.extend([0; 23]);
    talk.send(&request).await
}

/// The lower half of the capabilities of a greeting: behind version, text with its zero, thread, eight bytes of
/// salt, and a zero.
fn mysql_capabilities(greeting: &[u8]) -> Option<u16> {
    let (version, rest) = greeting.split_first()?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    let at = rest.get(end + 1 + 4 + 8 + 1..)?;
    let low = *at.first_chunk()?;
    (*version == MYSQL_VERSION).then(|| u16::from_le_bytes(low))
}

/// LDAP's `StartTLS`: message 1, an `ExtendedRequest` with the name 1.3.6.1.4.1.1466.20037.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

pub(super) async fn ldap<S: AsyncRead + AsyncWrite + Unpin>(
    talk: &mut Talk<'_, S>,
) -> Result<(), WayError> {
    talk.send(START_TLS).await?;
    let answer = talk.read(|bytes| element(bytes, 0x30)).await?;
    let odd = || WayError::protocol("the answer to StartTLS is no ExtendedResponse");
    let (result, text) = extended(&answer).ok_or_else(odd)?;
    if result == 0 {
        return Ok(());
    }
    Err(WayError::refused(format!(
        "StartTLS was answered with result {result}: {text}"
    )))
}

/// The result code and the diagnostic message of an `ExtendedResponse` (RFC 4511 sections 4.1.9 and 4.12).
fn extended(message: &[u8]) -> Option<(u8, String)> {
    let (id, rest) = whole(message, 0x02)?;
    let (response, _) = whole(rest, 0x78)?;
    let (code, rest) = whole(response, 0x0a)?;
    let (_, rest) = whole(rest, 0x04)?;
    let (text, _) = whole(rest, 0x04)?;
    // Message 0 is a notice of disconnection.
    let ([0 | 1], [code]) = (id, code) else {
        return None;
    };
    Some((*code, first_line(text)))
}

/// The content of an element with that tag, and what follows it.
fn whole(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (begin, length) = span(bytes, tag).ok()??;
    let rest = bytes.get(begin..)?;
    rest.split_at_checked(length)
}

/// The content of an element that may still be arriving.
fn element(bytes: &[u8], tag: u8) -> Result<Option<(usize, Vec<u8>)>, WayError> {
    let Some((begin, length)) = span(bytes, tag)? else {
        return Ok(None);
    };
    let content = bytes.get(begin..begin + length);
    Ok(content.map(|content| (begin + length, content.to_vec())))
}

/// Where the content of an element begins, and its length (X.690 section 8.1.3); none if more has to come.
fn span(bytes: &[u8], tag: u8) -> Result<Option<(usize, usize)>, WayError> {
    let odd = || {
        let begin = first_line(bytes);
        WayError::protocol(format!("this is no LDAP message: \"{begin}\""))
    };
    match bytes {
        [first, ..] if *first != tag => Err(odd()),
        [_, length @ 0..=0x7f, ..] => Ok(Some((2, usize::from(*length)))),
        [_, 0x81, length, ..] => Ok(Some((3, usize::from(*length)))),
        [_, 0x82, high, low, ..] => Ok(Some((4, usize::from(u16::from_be_bytes([*high, *low]))))),
        // OpenLDAP writes four bytes of length at times.
        [_, 0x84, 0, 0, high, low, ..] => {
            Ok(Some((6, usize::from(u16::from_be_bytes([*high, *low])))))
        }
        [] | [_] | [_, 0x81 | 0x82, ..] | [_, 0x84] | [_, 0x84, 0] | [_, 0x84, 0, 0, ..] => {
            Ok(None)
        }
        _ => Err(odd()),
    }
}
