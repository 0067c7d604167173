//! Arbitrary bytes from a server to the client of framed messages: the exchange ends, and its outcome does not depend
//! on segmentation.
//!
//! Input: the kind of frame, and then what the server sends.
#![no_main]

use std::cell::LazyCell;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shakedown::protocol::{ProtocolError, ProtocolKind, ProtocolPlan, Who};
use shakedown::scenario::Scenario;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;

thread_local! {
    static RUNTIME: LazyCell<Runtime> = LazyCell::new(|| {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime without drivers")
    });
}

const KINDS: [(&str, &str); 4] = [
    ("line", "hello"),
    ("mllp", "MSH|^~\\&|A|B|C|D|||ADT|1|P|2.5\r"),
    ("fix", "8=FIX.4.4|35=A|49=A|56=B|108=30|"),
    ("length:2:4", "\u{1}\0\0\0\0\0"),
];

static PLANS: LazyLock<[ProtocolPlan; 4]> = LazyLock::new(|| {
    KINDS.map(|(frame, data)| {
        let mut scenario = Scenario::default();
        scenario.protocol.kind = Some(ProtocolKind::Framed);
        scenario.protocol.frame = frame.parse().ok();
        scenario.protocol.data = Some(data.to_owned());
        scenario.check("", "").expect("a scenario").protocol
    })
});

fuzz_target!(|input: &[u8]| {
    let Some((kind, answer)) = input.split_first() else {
        return;
    };
    let plan = &PLANS[usize::from(kind % 4)];
    let whole = outcome(plan, answer, answer.len().max(1));
    let crumbs = outcome(plan, answer, answer.len() / 256 + 1);
    // Whether more follows the answer depends on whether it is in the same segment.
    let more = |told: &str| told == "ok" || told == "frame.mismatch";
    assert!(
        whole == crumbs || more(&whole) && more(&crumbs),
        "in one segment: {whole}, in several: {crumbs}"
    );
});

/// How the beginning and an exchange end whose answers come in segments of `piece` bytes.
fn outcome(plan: &ProtocolPlan, answer: &[u8], piece: usize) -> String {
    let (mut client, mut server) = tokio::io::duplex(1 << 20);
    let serve = async move {
        for segment in answer.chunks(piece) {
            // The client hangs up once it has seen enough.
            if server.write_all(segment).await.is_err() {
                return;
            }
            // It reads what is there before more comes.
            tokio::task::yield_now().await;
        }
    };
    let exchange = async move {
        let mut conversation = plan
            .conversation(Who::default())
            .expect("something is spoken");
        conversation.begin(&mut client).await?;
        conversation.exchange(&mut client).await
    };
    let ended = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let (ended, ()) = tokio::join!(exchange, serve);
            ended
        })
    });
    match ended {
        Ok(_) => "ok".to_owned(),
        Err(ProtocolError::Io(error)) => format!("Io {:?}", error.kind()),
        Err(ProtocolError::Answer { class, .. }) => class.to_string(),
    }
}
