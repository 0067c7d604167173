//! Agents that give nothing, or nothing that can be used: each error names the socket, the cause and the next step.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use super::agent::{Agent, endpoint, svid};
use super::common::process::{run, shakedown};
use super::said;

/// Asserts that a load with the agent of a folder is refused with these words.
fn refused(dir: &Path, words: &[&str]) {
    let load = format!(
        "run tls://localhost:1 -k -n 1 --fleet spiffe:{}",
        endpoint(dir)
    );
    let (said, code) = said(&run(dir, &load));
    assert_eq!(code, 104, "{said}");
    let socket = dir.join("agent.sock").display().to_string();
    for words in words.iter().copied().chain([&*socket]) {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn an_agent_that_is_not_there_is_told() {
    let dir = tempfile::tempdir().unwrap();
    refused(
        dir.path(),
        &["No such file or directory", "start the agent"],
    );
    drop(UnixListener::bind(dir.path().join("agent.sock")).unwrap());
    refused(dir.path(), &["Connection refused", "nothing listens"]);
    let load = "run tls://localhost:1 -k -n 1 --fleet";
    for (endpoint, variable, wanted, words) in [
        ("spiffe", None, 104, "SPIFFE_ENDPOINT_SOCKET is not set"),
        (
            "spiffe",
            Some("/a"),
            104,
            "SPIFFE_ENDPOINT_SOCKET: \"/a\" is no Unix socket",
        ),
        (
            "spiffe:tcp://127.0.0.1:1",
            None,
            2,
            "over Unix sockets alone",
        ),
    ] {
        let mut command = shakedown(dir.path());
        command.args(load.split(' ')).arg(endpoint);
        command.env_remove("SPIFFE_ENDPOINT_SOCKET");
        command.envs(variable.map(|value| ("SPIFFE_ENDPOINT_SOCKET", value)));
        let (said, code) = said(&command.output().unwrap());
        assert!(said.contains(words) && code == wanted, "{code} {said}");
    }
}

#[test]
fn what_is_no_agent_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(dir.path().join("agent.sock")).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 24]).unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        // The next one is accepted, and told nothing.
        let silent = listener.accept().unwrap();
        thread::park();
        drop(silent);
    });
    refused(
        dir.path(),
        &[
            "does not answer as the Workload API does",
            "check that this is",
        ],
    );
    refused(
        dir.path(),
        &["did not answer within 10 s", "see the agent's log"],
    );
}

#[test]
fn what_an_agent_refuses_or_gets_wrong_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut agent) = Agent::start(dir.path(), "deny") else {
        return;
    };
    let dir = dir.path();
    refused(
        dir,
        &[
            "PERMISSION_DENIED: no identity issued",
            "-selector unix:uid:",
        ],
    );
    agent.tell("bytes 0bff");
    refused(dir, &["no message of Protocol Buffers"]);
    agent.tell("bytes 1200");
    refused(dir, &["it holds no SVID"]);
    agent.tell(&svid(0, 1));
    refused(
        dir,
        &[
            "its key does not match its certificate",
            "spire-agent api fetch x509",
        ],
    );
    agent.tell(&svid(0, 0).replace("/load", "/\u{1b}[31m"));
    let (told, code) = said(&run(dir, &format!("check spiffe:{}", endpoint(dir))));
    assert_eq!(code, 0, "{told}");
    agent.tell(&svid(0, 1).replace("/load", "/\u{1b}[31m"));
    refused(dir, &["spiffe://example.org/\\u{1b}[31m"]);
    let output = run(dir, &format!("check spiffe:{}", endpoint(dir)));
    assert_eq!(said(&output).1, 99, "{output:?}");
}
