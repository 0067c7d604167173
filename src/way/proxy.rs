//! A tunnel through an HTTP proxy (`CONNECT`, RFC 9110 section 9.3.6).

use std::fmt::Write;

use base64::prelude::{BASE64_STANDARD, Engine};
use tokio::io::{AsyncRead, AsyncWrite};

use super::WayError;
use super::talk::Talk;
use crate::text::first_line;
use crate::text::secrets::keep;

/// Most fields of an answer's head.
const MOST_FIELDS: usize = 64;

/// A proxy, and what it is asked.
#[derive(Clone, PartialEq)]
pub struct Proxy {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    request: String,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The request may hold a password.
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

impl Proxy {
    /// The proxy at `host` and `port`, which is asked to connect us to `authority`, with user and password if it is
    /// given `user:password`.
    pub(crate) fn new(host: String, port: u16, authority: &str, user: Option<&str>) -> Self {
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(user) = user {
            let credentials = BASE64_STANDARD.encode(user);
            keep(&credentials);
            keep(user);
            if let Some((_, password)) = user.split_once(':') {
                keep(password);
            }
            // Writing to a String cannot fail.
            let _ = write!(request, "Proxy-Authorization: Basic {credentials}\r\n");
        }
        request.push_str("\r\n");
        Self {
            host,
            port,
            request,
        }
    }

    /// Has the proxy connect us. What follows its answer is the server's.
    pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        talk: &mut Talk<'_, S>,
    ) -> Result<(), WayError> {
        talk.send(self.request.as_bytes()).await?;
        loop {
            let (status, reason) = talk.read(head).await?;
            match status {
                200..=299 => return Ok(()),
                // Interim ones; a switch of protocols was not asked for.
                100 | 102..=199 => {}
                _ => return Err(WayError::status(status, &reason)),
            }
        }
    }
}

/// The status and the reason of an answer.
type Status = (u16, String);

/// A head with its length, once it is complete. A body is nothing to us: after success there is none, and any other
/// status ends the session.
fn head(bytes: &[u8]) -> Result<Option<(usize, Status)>, WayError> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => {
            let reason = response.reason.unwrap_or_default().to_owned();
            Ok(Some((length, (response.code.unwrap_or_default(), reason))))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(WayError::protocol(format!(
            "the proxy's answer to CONNECT is not HTTP ({error}); it begins \"{}\"",
            first_line(bytes)
        ))),
    }
}
