//! Arbitrary bytes from a server to the MQTT client: the session ends, and how does not depend on segmentation.
//!
//! Input: flags, the number of cuts, the cuts (two bytes each), and then what the server sends.
#![no_main]

use std::cell::LazyCell;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shakedown::protocol::{MqttVersion, ProtocolError, ProtocolKind, ProtocolPlan, Who};
use shakedown::scenario::Scenario;
use shakedown_fuzz::segments;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;

thread_local! {
    static RUNTIME: LazyCell<Runtime> = LazyCell::new(|| {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime without drivers")
    });
}

/// By two flags: MQTT 5 in place of 3.1.1, and QoS 0 in place of 1.
static PLANS: LazyLock<[ProtocolPlan; 4]> = LazyLock::new(|| {
    std::array::from_fn(|flags| {
        let mut scenario = Scenario::default();
        scenario.protocol.kind = Some(ProtocolKind::Mqtt);
        scenario.protocol.mqtt_version = (flags & 1 != 0).then_some(MqttVersion::V5);
        scenario.protocol.qos = (flags & 2 != 0).then_some(0);
        scenario.check("", "").expect("a scenario").protocol
    })
});

fuzz_target!(|input: &[u8]| {
    let Some((&[flags, cuts], rest)) = input.split_first_chunk() else {
        return;
    };
    let (cuts, answers) = rest.split_at((2 * usize::from(cuts % 16)).min(rest.len()));
    let plan = &PLANS[usize::from(flags & 3)];
    let whole = outcome(plan, &[answers]);
    let cut = outcome(plan, &segments(answers, cuts));
    let crumbs: Vec<&[u8]> = answers.chunks(answers.len() / 256 + 1).collect();
    // Where a write fails first, what came before the end is not read.
    let ended = |(_, told): &(u8, Result<(), String>)| told == &Err("the end".to_owned());
    for other in [cut, outcome(plan, &crumbs)] {
        assert!(
            whole == other || ended(&whole) || ended(&other),
            "in one segment {whole:?}, in several {other:?}"
        );
    }
});

/// How a session of two exchanges ends whose answers come in these segments, as text that can be compared: how
/// many of its steps succeeded, and the failure.
fn outcome(plan: &ProtocolPlan, segments: &[&[u8]]) -> (u8, Result<(), String>) {
    let (mut client, mut server) = tokio::io::duplex(1 << 20);
    let serve = async move {
        for segment in segments {
            // The client hangs up once it has seen enough.
            if server.write_all(segment).await.is_err() {
                return;
            }
            // It reads what is there before more comes.
            tokio::task::yield_now().await;
        }
    };
    let talk = async move {
        let mut steps = 0;
        let mut conversation = plan.conversation(Who::default()).expect("MQTT is spoken");
        let ended = async {
            conversation.begin(&mut client).await?;
            steps += 1;
            for _ in 0..2 {
                conversation.exchange(&mut client).await?;
                steps += 1;
            }
            Ok(())
        };
        let ended = ended.await;
        (steps, ended)
    };
    let (steps, ended) = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let (ended, ()) = tokio::join!(talk, serve);
            ended
        })
    });
    let ended = ended.map_err(|error| match error {
        ProtocolError::Io(error) => end_of_stream(&error),
        ProtocolError::Answer { class, message } => format!("{class} {message}"),
    });
    (steps, ended)
}

/// Whether the end is met by a read or by a write depends on when it comes.
fn end_of_stream(error: &std::io::Error) -> String {
    use std::io::ErrorKind::{BrokenPipe, UnexpectedEof};
    match error.kind() {
        BrokenPipe | UnexpectedEof => "the end".to_owned(),
        other => format!("{other:?}"),
    }
}
