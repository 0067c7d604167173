//! The way in: what is said on a connection before TLS begins on it. In this order a `CONNECT` through a proxy, a
//! PROXY header, and a request to begin TLS (STARTTLS).
//!
//! Nothing here is protected, so nothing that a server says counts as an answer, and what follows its go-ahead ahead of
//! TLS ends the session (CVE-2011-0411). Text of a server is capped in size here and in time by whoever walks.

mod binary;
mod header;
mod proxy;
mod section;
mod starttls;
mod talk;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

#[cfg(test)]
pub(crate) use self::binary::SSL_REQUEST;
pub use self::header::ProxyHeader;
pub use self::proxy::Proxy;
pub use self::section::WayInSection;
pub use self::starttls::StartTls;
use self::talk::Talk;
use crate::stats::{AnswerCode, AnswerFault, FailureClass, Stage};

/// The server does not begin TLS on request.
static REFUSED: AnswerFault = AnswerFault {
    label: "starttls.refused",
    code: AnswerCode::None,
    refuses: &[],
    advice: "the server does not begin TLS on request, and the example has its answer: switch TLS on there, or drop --starttls if the port speaks TLS at once",
};

/// The proxy does not connect us.
static STATUS: AnswerFault = AnswerFault {
    label: "proxy.status",
    code: AnswerCode::Number(407),
    refuses: &[],
    advice: "the proxy does not connect us: 407 asks for --proxy-user-file or --proxy-user-env, 403 forbids the host or the port, 502 and 504 say that it does not reach the server",
};

/// What came is not what the way in is made of.
static PROTOCOL: AnswerFault = AnswerFault {
    label: "way_in.protocol",
    code: AnswerCode::None,
    refuses: &[],
    advice: "what the server says before TLS is not what --starttls or --proxy asks for, and the example shows it: check the port and the protocol. Data behind a go-ahead is never taken for TLS or for an answer, as anyone on the path can put it there",
};

/// The ends of a way in that are not expected.
pub(crate) static FAULTS: [&AnswerFault; 3] = [&REFUSED, &STATUS, &PROTOCOL];

/// Why a way in failed.
#[derive(Debug, thiserror::Error)]
pub enum WayError {
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What came is no way in.
    #[error("{message}")]
    Answer {
        /// The class that is counted.
        class: FailureClass,
        /// What came, not yet escaped.
        message: String,
    },
}

impl WayError {
    fn new(fault: &'static AnswerFault, message: impl Into<String>) -> Self {
        Self::Answer {
            class: fault.class(AnswerCode::None),
            message: message.into(),
        }
    }

    /// TLS was refused.
    fn refused(message: impl Into<String>) -> Self {
        Self::new(&REFUSED, message)
    }

    /// The proxy answered with a status that connects nothing.
    fn status(status: u16, reason: &str) -> Self {
        Self::Answer {
            class: STATUS.class(AnswerCode::Number(status.into())),
            message: format!("the proxy answered CONNECT with {status} {reason}"),
        }
    }

    /// What came is not the protocol.
    fn protocol(message: impl Into<String>) -> Self {
        Self::new(&PROTOCOL, message)
    }

    /// More came than any way in needs.
    fn flood() -> Self {
        Self::Answer {
            class: FailureClass::Flood(Stage::WayIn),
            message: format!("over {} KiB of text before TLS", talk::CAP / 1024),
        }
    }

    /// Something came ahead of TLS that is not TLS.
    pub(crate) fn injected() -> Self {
        Self::protocol("data follows the server's go-ahead, before TLS")
    }
}

/// The ends of a connection, as the PROXY header names them.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    /// Ours.
    pub local: SocketAddr,
    /// Its.
    pub peer: SocketAddr,
}

/// What lies between the start of a session and its TLS.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WayIn {
    /// The Unix socket that is connected to, in place of a TCP port.
    pub unix: Option<Arc<Path>>,
    /// The proxy that is asked to connect us.
    pub proxy: Option<Proxy>,
    /// The header that names our address to a server behind a load balancer.
    pub header: Option<ProxyHeader>,
    /// How TLS is asked for.
    pub starttls: Option<StartTls>,
}

impl WayIn {
    /// Whether TLS begins on the connection at once.
    pub fn is_silent(&self) -> bool {
        self.proxy.is_none() && self.header.is_none() && self.starttls.is_none()
    }

    /// Whether a server answers on it.
    pub(crate) fn is_answered(&self) -> bool {
        self.proxy.is_some() || self.starttls.is_some()
    }

    /// Where the connection leads that a session with `host` is made on.
    pub fn reached<'a>(&'a self, host: &'a str, port: u16) -> (&'a str, u16) {
        match &self.proxy {
            Some(proxy) => (&proxy.host, proxy.port),
            None => (host, port),
        }
    }

    /// Walks it on a connection; TLS is next. `ends` are unknown on a Unix socket.
    ///
    /// # Errors
    ///
    /// Fails if the stream does, or with what the other end says instead of its go-ahead.
    pub async fn walk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        ends: Option<Ends>,
    ) -> Result<(), WayError> {
        let mut talk = Talk::new(stream);
        if let Some(proxy) = &self.proxy {
            proxy.connect(&mut talk).await?;
        }
        if let Some(header) = self.header {
            talk.send(&header.bytes(ends)).await?;
        }
        if let Some(starttls) = self.starttls {
            starttls.ask(&mut talk, ends).await?;
        }
        talk.end()
    }
}

impl fmt::Display for WayIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unix = self.unix.as_ref();
        let proxy = self.proxy.as_ref();
        let parts = [
            unix.map(|path| format!("the Unix socket {}", path.display())),
            proxy.map(|proxy| format!("CONNECT through {}:{}", proxy.host, proxy.port)),
            self.header.map(|header| format!("PROXY header {header}")),
            self.starttls.map(|kind| format!("STARTTLS ({kind})")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(", "))
    }
}
