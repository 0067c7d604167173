//! Arbitrary bytes from a server to the HTTP/1.1 client: the exchange ends, and its outcome does not depend on
//! segmentation.
//!
//! Input: flags, the number of cuts, the cuts (two bytes each), and then what the server sends.
#![no_main]

use std::cell::LazyCell;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shakedown::protocol::{ProtocolError, ProtocolKind, ProtocolPlan, Who};
use shakedown::scenario::Scenario;
use shakedown_fuzz::segments;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;

/// The message of a client that sees more than the response, which depends on whether that is in the same segment.
const MORE_FOLLOWS: &str = "bytes follow the response";

thread_local! {
    static RUNTIME: LazyCell<Runtime> = LazyCell::new(|| {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime without drivers")
    });
}

/// By two flags: HEAD in place of GET, and 401 expected.
static PLANS: LazyLock<[ProtocolPlan; 4]> = LazyLock::new(|| {
    std::array::from_fn(|flags| {
        let mut scenario = Scenario::default();
        scenario.protocol.kind = Some(ProtocolKind::Http1);
        scenario.protocol.method = (flags & 1 != 0).then(|| "HEAD".to_owned());
        if flags & 2 != 0 {
            scenario.protocol.expect_status = "401".parse().into_iter().collect();
        }
        scenario.check("", "").expect("a scenario").protocol
    })
});

fuzz_target!(|input: &[u8]| {
    let Some((&[flags, cuts], rest)) = input.split_first_chunk() else {
        return;
    };
    let (cuts, answer) = rest.split_at((2 * usize::from(cuts % 16)).min(rest.len()));
    let plan = &PLANS[usize::from(flags & 3)];
    let whole = outcome(plan, &[answer]);
    let cut = outcome(plan, &segments(answer, cuts));
    // Byte by byte unless long, as every segment makes the client parse again.
    let crumbs: Vec<&[u8]> = answer.chunks(answer.len() / 256 + 1).collect();
    for other in [cut, outcome(plan, &crumbs)] {
        let unseen = whole.as_ref().is_err_and(|e| e.ends_with(MORE_FOLLOWS))
            && !other.as_ref().is_err_and(|e| e.starts_with("Io"));
        assert!(
            whole == other || unseen,
            "in one segment: {whole:?}, in several: {other:?}"
        );
    }
});

/// How an exchange ends whose response comes in these segments, as text that can be compared.
fn outcome(plan: &ProtocolPlan, segments: &[&[u8]]) -> Result<(), String> {
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
    let exchange = async move {
        let mut conversation = plan.conversation(Who::default()).expect("HTTP is spoken");
        conversation.exchange(&mut client).await
    };
    let ended = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let (ended, ()) = tokio::join!(exchange, serve);
            ended
        })
    });
    ended.map(|_| ()).map_err(|error| match error {
        ProtocolError::Io(error) => format!("Io {:?}", error.kind()),
        ProtocolError::Answer { class, message } if message.ends_with(MORE_FOLLOWS) => {
            format!("{class} {MORE_FOLLOWS}")
        }
        ProtocolError::Answer { class, .. } => class.to_string(),
    })
}
