//! Asking for TLS in a protocol that begins in plain text: which there are, and those of them that are lines of text.

use tokio::io::{AsyncRead, AsyncWrite};

use super::binary;
use super::talk::Talk;
use super::{Ends, WayError};
use crate::text::labelled;

labelled! {
    serde
    /// A protocol in which TLS is asked for.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum StartTls {
        /// `PostgreSQL`'s `SSLRequest`.
        Postgres = "postgres",
        /// `MySQL`'s and `MariaDB`'s `SSLRequest`, after the server's greeting.
        Mysql = "mysql",
        /// SMTP (RFC 3207).
        Smtp = "smtp",
        /// IMAP (RFC 9051 section 6.2.1).
        Imap = "imap",
        /// LDAP's `StartTLS` (RFC 4511 section 4.14).
        Ldap = "ldap",
    }
}

impl StartTls {
    /// Asks for TLS until the server's go-ahead.
    pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        talk: &mut Talk<'_, S>,
        ends: Option<Ends>,
    ) -> Result<(), WayError> {
        match self {
            Self::Postgres => binary::postgres(talk).await,
            Self::Mysql => binary::mysql(talk).await,
            Self::Smtp => smtp(talk, ends).await,
            Self::Imap => imap(talk).await,
            Self::Ldap => binary::ldap(talk).await,
        }
    }
}

/// A reply of SMTP: its code, and its lines without it.
struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    /// Reads one (RFC 5321 section 4.2).
    async fn read<S: AsyncRead + AsyncWrite + Unpin>(
        talk: &mut Talk<'_, S>,
    ) -> Result<Self, WayError> {
        let mut reply: Option<Self> = None;
        loop {
            let line = talk.line().await?;
            let parts = line.split_at_checked(3);
            let code = parts.and_then(|(code, _)| {
                let digits = code.bytes().all(|byte| byte.is_ascii_digit());
                code.parse::<u16>().ok().filter(|_| digits)
            });
            let (Some(code), Some((_, rest))) = (code, parts) else {
                return Err(odd(&line));
            };
            let reply = reply.get_or_insert_with(|| Self {
                code,
                lines: Vec::new(),
            });
            if reply.code != code {
                return Err(odd(&line));
            }
            let (more, text) = match rest.as_bytes().first() {
                None => (false, ""),
                Some(b' ') => (false, &rest[1..]),
                Some(b'-') => (true, &rest[1..]),
                Some(_) => return Err(odd(&line)),
            };
            reply.lines.push(text.to_owned());
            if !more {
                let lines = std::mem::take(&mut reply.lines);
                return Ok(Self { code, lines });
            }
        }
    }

    /// It as a refusal unless its code is `wanted`.
    fn wants(&self, wanted: u16, asked: &str) -> Result<(), WayError> {
        if self.code == wanted {
            return Ok(());
        }
        let text = self.lines.first().map_or("", String::as_str);
        let message = format!("{asked} was answered with {} {text}", self.code);
        Err(WayError::refused(message))
    }
}

fn odd(line: &str) -> WayError {
    WayError::protocol(format!("this is no reply: \"{line}\""))
}

async fn smtp<S: AsyncRead + AsyncWrite + Unpin>(
    talk: &mut Talk<'_, S>,
    ends: Option<Ends>,
) -> Result<(), WayError> {
    Reply::read(talk).await?.wants(220, "the connection")?;
    // An address literal, as we have no name (RFC 5321 section 4.1.4).
    let name = match ends.map(|ends| ends.local.ip().to_canonical()) {
        Some(std::net::IpAddr::V4(address)) => format!("[{address}]"),
        Some(std::net::IpAddr::V6(address)) => format!("[IPv6:{address}]"),
        None => "localhost".to_owned(),
    };
    talk.send(format!("EHLO {name}\r\n").as_bytes()).await?;
    let extensions = Reply::read(talk).await?;
    extensions.wants(250, "EHLO")?;
    let mut keywords = extensions.lines.iter().skip(1);
    if !keywords.any(|line| line.trim().eq_ignore_ascii_case("STARTTLS")) {
        let message = "the server's answer to EHLO does not list STARTTLS";
        return Err(WayError::refused(message));
    }
    talk.send(b"STARTTLS\r\n").await?;
    Reply::read(talk).await?.wants(220, "STARTTLS")
}

async fn imap<S: AsyncRead + AsyncWrite + Unpin>(talk: &mut Talk<'_, S>) -> Result<(), WayError> {
    let begins = |line: &str, with: &str| {
        let begin = line.split_at_checked(with.len());
        begin.is_some_and(|(begin, rest)| {
            begin.eq_ignore_ascii_case(with) && (rest.is_empty() || rest.starts_with(' '))
        })
    };
    let greeting = talk.line().await?;
    if begins(&greeting, "* BYE") || begins(&greeting, "* PREAUTH") {
        // STARTTLS is for connections that are not authenticated (RFC 9051 section 6.2).
        let message = format!("the server greets with \"{greeting}\"");
        return Err(WayError::refused(message));
    }
    if !begins(&greeting, "* OK") {
        let message = format!("this is no greeting: \"{greeting}\"");
        return Err(WayError::protocol(message));
    }
    talk.send(b"a1 STARTTLS\r\n").await?;
    loop {
        let line = talk.line().await?;
        if begins(&line, "a1 OK") {
            return Ok(());
        }
        if begins(&line, "a1 NO") || begins(&line, "a1 BAD") || begins(&line, "* BYE") {
            let message = format!("STARTTLS was answered with \"{line}\"");
            return Err(WayError::refused(message));
        }
        if !line.starts_with("* ") {
            return Err(WayError::protocol(format!("this is no answer: \"{line}\"")));
        }
    }
}
