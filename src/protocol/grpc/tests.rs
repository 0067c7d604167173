//! Calls against the server here, and calls that are refused.

use tokio::io::duplex;

use super::*;
use crate::protocol::{Asked, Converse, Next, ProtocolSection, Who};

fn exchange(section: &ProtocolSection, path: &str) -> Next {
    let asked = Asked {
        tls: true,
        authority: "localhost".to_owned(),
        path,
        user: None,
        is_own: true,
    };
    let request = Request::new(section, Some(&asked)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut client, mut server) = duplex(4_000);
        let client = async move {
            let mut session = Conversation::new(&request, Who::default());
            let next = session.exchange(&mut client).await.unwrap();
            session.end(&mut client).await.unwrap();
            next
        };
        let (ended, next) = tokio::join!(serve(&mut server), client);
        ended.unwrap();
        next
    })
}

#[test]
fn the_embedded_server_is_healthy_and_echoes() {
    assert_eq!(exchange(&ProtocolSection::default(), "/"), Next::Open);
    let section = ProtocolSection {
        data_hex: Some("0a 05 68656c6c6f".to_owned()),
        streams: Some(5),
        ..ProtocolSection::default()
    };
    assert_eq!(exchange(&section, "/a.B/C"), Next::Open);
}

#[test]
fn calls_that_make_no_sense_are_refused() {
    let refused = |section: &ProtocolSection, path| {
        let asked = Asked {
            tls: true,
            authority: "localhost".to_owned(),
            path,
            user: None,
            is_own: true,
        };
        Request::new(section, Some(&asked)).err().map(|p| p.key)
    };
    let message = ProtocolSection {
        data_hex: Some("00".to_owned()),
        ..ProtocolSection::default()
    };
    assert_eq!(refused(&message, "/"), Some("protocol.path"));
    assert_eq!(refused(&message, "/a.B"), Some("protocol.path"));
    assert_eq!(refused(&message, "/a.B/C"), None);
    let both = ProtocolSection {
        data_file: Some("x".into()),
        ..message.clone()
    };
    assert_eq!(refused(&both, "/a.B/C"), Some("protocol"));
}
