//! Conversations with the embedded target's side and with peers that refuse or break off.

use super::*;

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

fn request(frame: &str, data: &str, expect: Option<&str>) -> Request {
    let section = ProtocolSection {
        frame: Some(frame.parse().unwrap()),
        data: Some(data.to_owned()),
        expect_frame: expect.map(|text| text.parse().unwrap()),
        ..ProtocolSection::default()
    };
    Request::new(&section, None).unwrap()
}

const HL7: &str = "MSH|^~\\&|A|B|C|D|20261130||ADT^A01|42|P|2.5\rPID|1\r";
const FIX: &str = "8=FIX.4.4|35=A|49=BUYER|56=VENUE|98=0|108=1|\n";

/// Begins, makes three exchanges and ends, with the embedded target's side.
async fn conversation(request: &Request) -> Result<(), ProtocolError> {
    let (mut client, mut server) = tokio::io::duplex(64 * 1024);
    // The client hangs up without waiting for the answer to its Logout.
    let target = async { drop(serve(&mut server).await) };
    let spoken = async {
        let mut conversation = Conversation::new(request, Who::default());
        conversation.begin(&mut client).await?;
        for _ in 0..3 {
            conversation.exchange(&mut client).await?;
        }
        conversation.end(&mut client).await?;
        drop(client);
        Ok(())
    };
    tokio::join!(target, spoken).1
}

#[test]
fn every_kind_of_frame_has_an_answer_of_its_kind() {
    let order = format!("{FIX}8=FIX.4.4|35=D|49=BUYER|56=VENUE|11=1|");
    for (frame, data, expect) in [
        ("line", "hello", Some("^hello\n$")),
        ("mllp", HL7, Some(r"MSA\|AA\|42")),
        ("fix", FIX, None),
        ("fix", &order, Some("35=8")),
        ("length:2:4", "\u{2}\0\0\0\0\u{3}abc", None),
    ] {
        run(conversation(&request(frame, data, expect))).unwrap_or_else(|e| panic!("{frame}: {e}"));
    }
}

/// The class with which an exchange ends whose peer answers so and closes.
fn answered(request: &Request, answer: &[u8]) -> String {
    run(async {
        let (mut client, mut server) = tokio::io::duplex(64 * 1024);
        server.write_all(answer).await.unwrap();
        server.shutdown().await.unwrap();
        let mut conversation = Conversation::new(request, Who::default());
        let began = conversation.begin(&mut client).await;
        let ended = match began {
            Ok(()) => conversation.exchange(&mut client).await.map(|_| ()),
            Err(error) => Err(error),
        };
        match ended {
            Ok(()) => "ok".to_owned(),
            Err(ProtocolError::Answer { class, .. }) => class.to_string(),
            Err(ProtocolError::Io(error)) => error.kind().to_string(),
        }
    })
}

fn composed(message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    Template::all(message.as_bytes()).unwrap()[0].compose(1, "t", &mut out);
    out
}

#[test]
fn refusals_and_strange_answers_have_classes() {
    let mllp = request("mllp", HL7, None);
    for (answer, class) in [
        (&b"\x0bMSH|^~\\&|\rMSA|AA|42\r\x1c\r"[..], "ok"),
        (b"\x0bMSH|^~\\&|\rMSA|AE|42|no\r\x1c\r", "frame.rejected"),
        (b"\x0bMSH#^~\\&#\rMSA#AR#42\r\x1c\r", "frame.rejected"),
        (b"\x0bMSH|^~\\&|\rMSA|AA|41\r\x1c\r", "frame.mismatch"),
        (b"\x0bhello\x1c\r", "frame.mismatch"),
        (b"\x0bMSH|^~\\&|\rMSA|AA|42\r\x1c\rmore", "frame.mismatch"),
        (b"HTTP/1.1 400 Bad Request\r\n", "frame.protocol"),
        (b"\x0bMSH|^~\\&|\rMSA|AA", "frame.protocol"),
        (b"", "unexpected end of file"),
    ] {
        assert_eq!(answered(&mllp, answer), class, "{}", answer.escape_ascii());
    }
    let line = request("line", "a", Some("^ok"));
    assert_eq!(answered(&line, b"ok then\n"), "ok");
    assert_eq!(answered(&line, b"no\n"), "frame.mismatch");
    let fix = request("fix", FIX, None);
    for (answer, class) in [
        (
            "8=FIX.4.4|35=5|49=VENUE|56=BUYER|58=unknown|",
            "frame.rejected",
        ),
        ("8=FIX.4.4|35=3|49=VENUE|56=BUYER|", "frame.rejected"),
        ("8=FIX.4.4|35=8|49=VENUE|56=BUYER|", "frame.protocol"),
        (
            "8=FIX.4.4|35=0|49=VENUE|56=BUYER|",
            "unexpected end of file",
        ),
    ] {
        assert_eq!(answered(&fix, &composed(answer)), class, "{answer}");
    }
    assert_eq!(answered(&fix, b"\x15\x03\x03\x00\x02"), "frame.protocol");
}

#[test]
fn heartbeats_keep_a_fix_session() {
    let beats = run(async {
        let (mut client, mut server) = tokio::io::duplex(64 * 1024);
        let fix = request("fix", FIX, None);
        let mut conversation = Conversation::new(&fix, Who::default());
        let held = timeout(Duration::from_millis(2_500), conversation.idle(&mut client));
        assert!(held.await.is_err(), "nobody ended it");
        drop(client);
        let mut seen = Vec::new();
        server.read_to_end(&mut seen).await.unwrap();
        String::from_utf8(seen)
            .unwrap()
            .matches("\u{1}35=0\u{1}")
            .count()
    });
    assert_eq!(beats, 2);
}

#[test]
fn bad_requests_are_refused_with_the_key() {
    let file = Some(std::path::PathBuf::from("/nonexistent"));
    let frame = |text: &str| Some(text.parse().unwrap());
    let data = |text: &str| Some(text.to_owned());
    for (section, key) in [
        (ProtocolSection::default(), "protocol.frame"),
        (
            ProtocolSection {
                frame: frame("line"),
                ..ProtocolSection::default()
            },
            "protocol.data-file",
        ),
        (
            ProtocolSection {
                frame: frame("line"),
                data_file: file,
                ..ProtocolSection::default()
            },
            "protocol.data-file",
        ),
        (
            ProtocolSection {
                frame: frame("fix"),
                data: data("8=FIX.4.4|35=D|"),
                ..ProtocolSection::default()
            },
            "protocol.data",
        ),
        (
            ProtocolSection {
                frame: frame("line"),
                data: data(""),
                ..ProtocolSection::default()
            },
            "protocol.data",
        ),
    ] {
        assert_eq!(Request::new(&section, None).unwrap_err().key, key);
    }
}
