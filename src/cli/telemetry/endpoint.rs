//! An HTTP endpoint for Prometheus on a thread of its own, which the workers never wait for.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::{Shared, exposition};

/// A scrape that takes longer is given up.
const LONGEST: Duration = Duration::from_secs(10);
/// A scraper that has not asked by then is given up.
const LONGEST_HEAD: Duration = Duration::from_secs(5);
/// Connections open at once; one more ends the oldest.
const MOST: usize = 64;

/// Serves `/metrics` until it is dropped.
pub struct Endpoint {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Endpoint {
    /// Listens, and serves what `board` says at the moment.
    ///
    /// Fails if the address cannot be listened on or the system gives no thread or runtime.
    pub(crate) fn start(address: SocketAddr, board: Shared) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = serve(listener, &board) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // Dropping the sender ends the select.
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has already said so on stderr.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, board: &Shared) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No descriptor is left, or the peer has gone already: both pass.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= MOST
            && let Some(oldest) = open.pop_front()
        {
            // An answer takes no time, so it is one that asks nothing.
            oldest.abort();
        }
        open.push_back(tokio::spawn(converse(stream, Shared::clone(board))).abort_handle());
    }
}

async fn converse(stream: TcpStream, board: Shared) {
    let service = service_fn(move |request| {
        let response = answer(&request, &board);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // A scraper that goes away or speaks nonsense is its own business.
    let _ = tokio::time::timeout(LONGEST, connection).await;
}

fn answer(request: &Request<Incoming>, board: &Shared) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        return plain(
            StatusCode::NOT_FOUND,
            "the metrics are at /metrics\n".to_owned(),
        );
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    let mut response = plain(StatusCode::OK, exposition::render(&super::read(board)));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
