//! The way in of a scenario, checked: what fits together, and the proxy's request.

use super::error::{Problem, refuse};
use super::url::Url;
use super::{AuthMode, Cell, Close, ProtocolPlan, Scenario};
use crate::files::read_text;
use crate::way::{Proxy, WayIn, WayInSection};

/// The port of a proxy that names none, as in curl.
const PROXY_PORT: u16 = 1080;
/// No `user:password` is longer, in bytes.
const LONGEST_USER: u64 = 4096;

pub(super) fn check(
    scenario: &Scenario,
    url: Option<&Url>,
    cells: &[Cell],
    protocol: &ProtocolPlan,
) -> Result<WayIn, Problem> {
    let section = &scenario.way_in;
    let Some(url) = url else {
        refuse(
            !section.is_empty(),
            "way-in",
            "the embedded target begins TLS at once",
            "drop it, or give target.url",
        )?;
        return Ok(WayIn::default());
    };
    let plain = cells.iter().any(|cell| cell.auth == AuthMode::None);
    let any_tls = cells.iter().any(|cell| cell.auth != AuthMode::None);
    let implied = protocol.starttls().filter(|_| any_tls);
    refuse(
        implied.is_some() && plain,
        "matrix.auth",
        "sessions with and without TLS to one port are not told apart here",
        "drop \"none\"",
    )?;
    refuse(
        protocol.is_direct() && section.starttls.is_some(),
        "way-in.starttls",
        "TLS cannot begin at once (sslnegotiation) and on request",
        "drop one of them",
    )?;
    refuse(
        section.starttls.is_some() && plain,
        "way-in.starttls",
        "a session without TLS would not ask for it",
        "drop it, or write tls:// or https:// and drop \"none\" from matrix.auth",
    )?;
    unix(scenario)?;
    Ok(WayIn {
        unix: section.unix_socket.as_deref().map(Into::into),
        proxy: proxy(section, url)?,
        header: section.haproxy_protocol,
        starttls: section.starttls.or(implied),
    })
}

/// Refuses what has no effect where there is no TCP connection of ours.
fn unix(scenario: &Scenario) -> Result<(), Problem> {
    let unix = scenario.way_in.unix_socket.is_some();
    let proxy = scenario.way_in.proxy.is_some();
    let target = &scenario.target;
    let pins = !target.resolve.is_empty();
    refuse(
        unix && pins,
        "target.resolve",
        "with way-in.unix-socket (--unix-socket) no address is connected to",
        "drop one of them",
    )?;
    refuse(
        proxy && pins,
        "target.resolve",
        "with way-in.proxy (--proxy) the proxy looks the name up",
        "drop one of them",
    )?;
    refuse(
        unix && target.all_addresses,
        "target.all-addresses",
        "a Unix socket is one address",
        "drop it, or way-in.unix-socket",
    )?;
    refuse(
        unix && scenario.load.close == Some(Close::Reset),
        "load.close",
        "a Unix socket has no reset, and no port to free",
        "drop it",
    )
}

fn proxy(section: &WayInSection, url: &Url) -> Result<Option<Proxy>, Problem> {
    let Some(text) = &section.proxy else {
        let given = section.proxy_user_file.is_some() || section.proxy_user_env.is_some();
        refuse(
            given,
            "way-in.proxy",
            "a user for a proxy is given, and no proxy",
            "write proxy = \"http://host:port\" (--proxy), or drop it",
        )?;
        return Ok(None);
    };
    let remedy = "write it as http://host:port";
    let schemed = if text.contains("://") {
        text.clone()
    } else {
        format!("http://{text}")
    };
    let at = Url::with_default_port(&schemed, Some(PROXY_PORT))
        .map_err(|error| Problem::new("way-in.proxy", error.to_string(), user_remedy(text)))?;
    refuse(
        at.scheme.name != "http" || at.path != "/",
        "way-in.proxy",
        "only plain HTTP to a proxy, without a path, is supported",
        remedy,
    )?;
    let user = user(section)?;
    let host = url.place.host.split('%').next().unwrap_or_default();
    let authority = if host.contains(':') {
        format!("[{host}]:{}", url.port)
    } else {
        format!("{host}:{}", url.port)
    };
    let (host, port) = (at.place.host, at.port);
    Ok(Some(Proxy::new(host, port, &authority, user.as_deref())))
}

/// What to do about the text of a proxy that is none.
fn user_remedy(text: &str) -> &'static str {
    if text.contains('@') {
        "give user:password with proxy-user-file or proxy-user-env (--proxy-user-file, --proxy-user-env)"
    } else {
        "write it as http://host:port"
    }
}

/// The proxy's `user:password`, from where it is kept.
fn user(section: &WayInSection) -> Result<Option<String>, Problem> {
    let (key, found) = match (&section.proxy_user_file, &section.proxy_user_env) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(Problem::new(
                "way-in.proxy-user-env",
                "the user is given twice: proxy-user-file is there, too",
                "drop one of them",
            ));
        }
        (Some(path), None) => (
            "way-in.proxy-user-file",
            read_text(path, LONGEST_USER)
                .map_err(|error| format!("cannot read {}: {error}", path.display())),
        ),
        (None, Some(name)) => (
            "way-in.proxy-user-env",
            std::env::var(name).map_err(|_| format!("the variable {name} is not set, or no text")),
        ),
    };
    let found = found.map_err(|cause| Problem::new(key, cause, "it holds user:password"))?;
    let user = found.trim_end_matches(['\r', '\n']);
    refuse(
        !user.contains(':') || user.chars().any(char::is_control),
        key,
        "it does not hold user:password in one line",
        "write both, with a colon between them",
    )?;
    Ok(Some(user.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(way_in: &str, more: &str) -> Result<WayIn, String> {
        let text = format!(
            "version = 1\nname = \"x\"\n[target]\nurl = \"https://[::1]:8443/\"\n[way-in]\n{way_in}\n{more}\n"
        );
        let scenario = Scenario::parse("s.toml", &text).map_err(|e| e.to_string())?;
        let checked = scenario.check("s.toml", &text);
        checked.map(|c| c.way_in).map_err(|e| e.to_string())
    }

    #[test]
    fn every_part_is_read_and_told() {
        let all = "unix-socket = \"/run/s\"\nproxy = \"[::1]\"\nhaproxy-protocol = \"v2\"\nstarttls = \"ldap\"";
        let way_in = checked(all, "").unwrap();
        assert_eq!(
            way_in.to_string(),
            "the Unix socket /run/s, CONNECT through ::1:1080, PROXY header v2, STARTTLS (ldap)"
        );
        assert_eq!(way_in.reached("h", 1), ("::1", 1080));
        assert!(checked("", "").unwrap().is_silent());
    }

    #[test]
    fn what_has_no_effect_is_refused_at_its_line() {
        for (way_in, more, named) in [
            (
                "proxy = \"https://h:1\"",
                "",
                "s.toml:6: way-in.proxy: only plain",
            ),
            ("proxy = \"http://h:1/p\"", "", "only plain"),
            ("proxy = \"http://u:s3cret@h:1\"", "", "proxy-user-file"),
            ("proxy-user-env = \"X\"", "", "no proxy"),
            (
                "proxy = \"h:1\"\nproxy-user-env = \"NO_SUCH_VAR\"",
                "",
                "NO_SUCH_VAR is not set",
            ),
            (
                "proxy = \"h:1\"\nproxy-user-file = \"/no/such\"",
                "",
                "cannot read",
            ),
            (
                "unix-socket = \"s\"",
                "[load]\nclose = \"reset\"",
                "has no reset",
            ),
            (
                "starttls = \"smtp\"",
                "[protocol]\nkind = \"handshake\"\n[matrix]\nauth = [\"none\"]",
                "without TLS",
            ),
            ("starttls = \"pop3\"", "", "pop3"),
        ] {
            let error = checked(way_in, more).unwrap_err();
            assert!(error.contains(named), "{way_in}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_password_is_nowhere_to_be_seen() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "me:tr0ub4dor\n").unwrap();
        let keys = format!("proxy = \"h:1\"\nproxy-user-file = {:?}", file.path());
        let way_in = checked(&keys, "").unwrap();
        assert!(!format!("{way_in:?} {way_in}").contains("tr0ub4dor"));
        std::fs::write(file.path(), "me").unwrap();
        assert!(checked(&keys, "").unwrap_err().contains("user:password"));
    }
}
