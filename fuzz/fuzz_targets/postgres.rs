//! Arbitrary bytes from a `PostgreSQL` server: the session ends, and its outcome does not depend on segmentation.
//!
//! Input: what the server sends.
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

static PLAN: LazyLock<ProtocolPlan> = LazyLock::new(|| {
    let mut scenario = Scenario::default();
    scenario.protocol.kind = Some(ProtocolKind::Postgres);
    scenario.check("", "").expect("a scenario").protocol
});

fuzz_target!(|answer: &[u8]| {
    let whole = outcome(&PLAN, answer, answer.len().max(1));
    let crumbs = outcome(&PLAN, answer, answer.len() / 256 + 1);
    // An answer that is there ahead of its query is none, and whether it is depends on the segment. So does whether
    // the end is met by a read or by a write.
    let early = [&whole, &crumbs]
        .iter()
        .any(|told| told.starts_with("postgres.") || told.starts_with("Io "));
    assert!(
        whole == crumbs || early,
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
