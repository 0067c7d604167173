//! Arbitrary bytes from a server to the clients of HTTP/2 and gRPC: exchanges and a held session end, and nothing
//! panics. Or to a client that only holds its session: then how it ends does not depend on the cuts.
//!
//! Input: flags, the number of cuts, the cuts (two bytes each), and then what the server sends.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use shakedown::protocol::{ProtocolKind, ProtocolPlan, Who};
use shakedown::scenario::Scenario;
use shakedown_fuzz::segments;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

/// The SETTINGS that every server begins with.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// `:status: 200` without a body, as the answer to the first request.
const ANSWER: &[u8] = &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88];
/// Longer than a client needs to have nothing more to do.
const PAUSE: Duration = Duration::from_millis(10);

thread_local! {
    // Its clock stands still until nothing else is to be done.
    static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
}

/// By two flags: gRPC in place of HTTP/2, and two streams.
static PLANS: LazyLock<[ProtocolPlan; 4]> = LazyLock::new(|| {
    std::array::from_fn(|flags| {
        let mut scenario = Scenario::default();
        scenario.protocol.kind = Some(if flags & 1 == 0 {
            ProtocolKind::Http2
        } else {
            ProtocolKind::Grpc
        });
        scenario.protocol.streams = (flags & 2 != 0).then_some(2);
        scenario.check("", "").expect("a scenario").protocol
    })
});

fuzz_target!(|input: &[u8]| {
    let Some((&[flags, cuts], rest)) = input.split_first_chunk() else {
        return;
    };
    let (cuts, answer) = rest.split_at((2 * usize::from(cuts % 16)).min(rest.len()));
    if flags & 8 != 0 {
        let whole = held(&[answer]);
        assert_eq!(whole, held(&segments(answer, cuts)));
        return;
    }
    let plan = &PLANS[usize::from(flags & 3)];
    let (mut client, mut server) = tokio::io::duplex(1 << 20);
    let serve = async move {
        if flags & 4 != 0 {
            let _ = server.write_all(SETTINGS).await;
        }
        tokio::task::yield_now().await;
        for segment in segments(answer, cuts) {
            // The client hangs up once it has seen enough.
            if server.write_all(segment).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(server);
    };
    let session = async {
        let mut conversation = plan.conversation(Who::default()).expect("it is spoken");
        if conversation.exchange(&mut client).await.is_ok() {
            let hold = Duration::from_secs(1);
            let _ = match flags & 16 {
                0 => tokio::time::timeout(hold, conversation.idle(&mut client)).await,
                _ => tokio::time::timeout(hold, conversation.hold(&mut client)).await,
            };
            let _ = conversation.end(&mut client).await;
        }
    };
    RUNTIME.with(|runtime| runtime.block_on(async { tokio::join!(session, serve) }));
});

/// What a client says, and how its session ends, to which a server says this while it is only held.
fn held(said: &[&[u8]]) -> (Vec<u8>, String) {
    let (mut client, mut server) = tokio::io::duplex(1 << 22);
    let serve = async move {
        // An answer ahead of the request would be none.
        let _ = server.read(&mut [0; 1 << 12]).await;
        let answer = [SETTINGS, ANSWER].concat();
        server.write_all(&answer).await.expect("it listens");
        tokio::time::sleep(PAUSE).await;
        for segment in said {
            let _ = server.write_all(segment).await;
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(PAUSE).await;
        let mut heard = Vec::new();
        let _ = server.shutdown().await;
        let _ = server.read_to_end(&mut heard).await;
        heard
    };
    let session = async move {
        let mut conversation = PLANS[0].conversation(Who::default()).expect("it is spoken");
        let next = conversation.exchange(&mut client).await;
        next.expect("it is answered");
        let ended = conversation.hold(&mut client).await;
        let _ = conversation.end(&mut client).await;
        format!("{ended:?}")
    };
    RUNTIME.with(|runtime| {
        let (heard, ended) = runtime.block_on(async { tokio::join!(serve, session) });
        (heard, ended)
    })
}
