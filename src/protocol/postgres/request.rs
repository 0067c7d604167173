//! What a session of `PostgreSQL` sends, composed once.

use std::borrow::Cow;
use std::fmt;

use crate::protocol::{Asked, Problem, ProtocolSection};
use crate::text::labelled;

/// Protocol 3.0.
const VERSION: u32 = 3 << 16;
/// The query unless the scenario has another.
const USUAL_QUERY: &str = "select 1";
/// The user of the embedded target's sessions.
const USUAL_USER: &str = "shakedown";
/// No name is longer; `PostgreSQL`'s own limit is 63 bytes.
const LONGEST_NAME: usize = 255;
/// No query is longer, in bytes.
const LONGEST_QUERY: usize = 64 * 1024;

labelled! {
    serde
    /// How TLS begins, with libpq's names.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum SslNegotiation {
        /// An `SSLRequest` asks for it.
        #[default]
        Postgres = "postgres",
        /// At once, with ALPN `postgresql` (`PostgreSQL` 17 and later).
        Direct = "direct",
    }
}

/// The messages of a session.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub startup: Vec<u8>,
    pub query: Vec<u8>,
    user: String,
    text: String,
    negotiation: SslNegotiation,
}

impl Request {
    pub(crate) fn new(
        section: &ProtocolSection,
        asked: Option<&Asked<'_>>,
    ) -> Result<Self, Problem> {
        let (path, query) = match asked {
            Some(asked) if asked.is_own => {
                let (path, query) = asked.path.split_once('?').unwrap_or((asked.path, ""));
                (path.trim_start_matches('/'), query)
            }
            _ => ("", ""),
        };
        let negotiation = section
            .sslnegotiation
            .or(parameters(query)?)
            .unwrap_or_default();
        let of_url = asked.and_then(|asked| asked.user);
        let user = match (&section.user, of_url) {
            (Some(user), _) => user.clone(),
            (None, Some(user)) => decoded(user)?,
            (None, None) if asked.is_none() => USUAL_USER.to_owned(),
            (None, None) => {
                return Err(Problem::new(
                    "protocol.user",
                    "PostgreSQL sessions have a user, and none is named",
                    "write postgres://user@host/database, or user = \"…\"",
                ));
            }
        };
        // As libpq does, the database is called as the user unless it is named.
        let database = match &section.database {
            Some(database) => database.clone(),
            None if path.is_empty() => user.clone(),
            None => decoded(path)?,
        };
        let text = section.query.as_deref().unwrap_or(USUAL_QUERY);
        fits("protocol.user", &user, LONGEST_NAME)?;
        fits("protocol.database", &database, LONGEST_NAME)?;
        fits("protocol.query", text, LONGEST_QUERY)?;
        let parameters = [
            ("user", user.as_str()),
            ("database", &database),
            ("application_name", "shakedown"),
        ];
        let mut body = VERSION.to_be_bytes().to_vec();
        for (name, value) in parameters {
            body.extend(format!("{name}\0{value}\0").as_bytes());
        }
        body.push(0);
        Ok(Self {
            startup: sized(&[], &body),
            query: sized(b"Q", format!("{text}\0").as_bytes()),
            text: text.to_owned(),
            user,
            negotiation,
        })
    }

    /// What a session sends before it reads anything.
    pub(crate) fn opening(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.startup)
    }

    /// Whether TLS begins at once.
    pub(crate) fn is_direct(&self) -> bool {
        self.negotiation == SslNegotiation::Direct
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL as {}, {:?}", self.user, self.text)
    }
}

/// A message: its type, its length, which counts itself, and its body.
pub(super) fn sized(kind: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [kind, &length.to_be_bytes(), body].concat()
}

/// The negotiation that a URL's query asks for. Other parameters of libpq are errors: they have no effect here.
fn parameters(query: &str) -> Result<Option<SslNegotiation>, Problem> {
    let mut negotiation = None;
    for parameter in query.split('&').filter(|text| !text.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let wrong = |cause: &str, remedy: &str| Problem::new("target.url", cause, remedy);
        match name {
            "sslnegotiation" => {
                let named = SslNegotiation::named(value);
                let problem = || wrong("sslnegotiation is postgres or direct", "write one of them");
                negotiation = Some(named.ok_or_else(problem)?);
            }
            "sslmode" if value == "verify-full" => {}
            _ => {
                return Err(wrong(
                    "of the URL's parameters only sslnegotiation is supported, and sslmode=verify-full",
                    "drop the others; --cert, --key, --cacert and --insecure say how TLS is verified",
                ));
            }
        }
    }
    Ok(negotiation)
}

/// A part of a URL without its percent-encoding (RFC 3986 section 2.1).
fn decoded(text: &str) -> Result<String, Problem> {
    let wrong = || {
        Problem::new(
            "target.url",
            "the user or the database is not percent-encoded UTF-8",
            "write the URL as libpq takes it, or user and database as keys of [protocol]",
        )
    };
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next()), digit(rest.next()));
        let value = high.zip(low).map(|(high, low)| high * 16 + low);
        bytes.push(
            value
                .and_then(|value| u8::try_from(value).ok())
                .ok_or_else(wrong)?,
        );
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

fn fits(key: &'static str, text: &str, longest: usize) -> Result<(), Problem> {
    if text.is_empty() || text.len() > longest || text.contains('\0') {
        return Err(Problem::new(
            key,
            format!("it is empty, over {longest} bytes, or holds a zero byte"),
            "shorten it, or leave it out",
        ));
    }
    Ok(())
}
