//! h2 without a stream of its own: its connection reads from and writes to two buffers, and a [`Pump`] moves bytes
//! between these and the stream that it is lent for one call.
//!
//! So the state of a session outlives the calls that advance it, and nothing is spawned.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use h2::client::{Builder, Connection, SendRequest};
use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frame::Boundary;
use crate::protocol::Wire;

/// Bytes read from the stream at a time.
const READ_SIZE: usize = 8 * 1024;
/// Most bytes that wait for the stream; with more, h2 has to wait, too.
const MOST_WAITING: usize = 64 * 1024;
/// Most bytes kept of how the server begins.
const BEGINNING: usize = 48;

/// Why the connection cannot go on.
#[derive(Debug)]
pub(super) enum Ended {
    /// The stream failed.
    Io(io::Error),
    /// Nothing can be written, and nothing has come that says why.
    Unwritable(io::Error),
    /// The server ended the stream.
    Eof,
    /// Server or client took leave with a GOAWAY, and no request is open.
    InOrder,
    /// The server reported an error of the connection, or made one.
    Broken(h2::Error),
    /// The server sent more than the allowance.
    Flood,
}

/// What is known while h2 makes progress.
#[derive(Debug)]
pub(super) struct Turn {
    /// When something was last read.
    pub read_at: Option<Instant>,
    /// How many more bytes the server may send.
    pub allowance: u64,
}

/// A connection of h2 with its buffers.
#[derive(Debug)]
pub(super) struct Pump {
    connection: Connection<Pipe, Bytes>,
    buffers: Rc<RefCell<Buffers>>,
    /// Whether h2 has something to do.
    woken: Arc<Woken>,
    waker: Waker,
    turn: Turn,
    /// How the server begins, for what is no HTTP/2.
    beginning: [u8; BEGINNING],
    begun: usize,
    /// Whether h2 has whole frames only.
    boundary: Boundary,
    unflushed: bool,
    /// Why nothing more can be written, while what came is still read.
    write_failed: Option<io::Error>,
    /// Whether the connection has ended in order, but for what is still to be written.
    over: bool,
}

impl Pump {
    /// A connection whose preface and SETTINGS wait to be written.
    pub(super) fn new(builder: &Builder) -> Result<(SendRequest<Bytes>, Self), h2::Error> {
        let buffers = Rc::<RefCell<Buffers>>::default();
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        let begun = pin!(builder.handshake(Pipe(Rc::clone(&buffers))));
        let Poll::Ready(begun) = begun.poll(&mut Context::from_waker(&waker)) else {
            // Buffers take the preface at once.
            return Err(h2::Reason::INTERNAL_ERROR.into());
        };
        let (send, connection) = begun?;
        let pump = Self {
            connection,
            buffers,
            woken,
            waker,
            turn: Turn {
                read_at: None,
                allowance: 0,
            },
            beginning: [0; BEGINNING],
            begun: 0,
            boundary: Boundary::default(),
            unflushed: false,
            write_failed: None,
            over: false,
        };
        Ok((send, pump))
    }

    /// Lets the server send so many bytes from here on.
    pub(super) fn allow(&mut self, bytes: u64) {
        self.turn.allowance = bytes;
    }

    /// How many more bytes the server may send.
    pub(super) fn allowance(&self) -> u64 {
        self.turn.allowance
    }

    /// The first bytes that the server sent.
    pub(super) fn beginning(&self) -> &[u8] {
        &self.beginning[..self.begun]
    }

    /// Gives back what memory the buffers do not need.
    pub(super) fn shrink(&mut self) {
        self.buffers.borrow_mut().shrink();
    }

    /// Takes in what has come already, and writes nothing.
    pub(super) async fn settle<S: Wire>(&mut self, stream: &mut S) -> Result<(), Ended> {
        poll_fn(|cx| {
            loop {
                let _ = self.advance(&mut |_, _| Poll::<()>::Pending)?;
                match self.read(cx, stream) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(ended)) => return Poll::Ready(Err(ended)),
                    Poll::Pending => return Poll::Ready(Ok(())),
                }
            }
        })
        .await
    }

    /// Lets h2 read these bytes as what the server says, without a stream.
    pub(super) fn replay<T>(
        &mut self,
        bytes: &[u8],
        mut done: impl FnMut(&mut Context<'_>, &mut Turn) -> Poll<T>,
    ) -> Result<Poll<T>, Ended> {
        self.buffers.borrow_mut().inbound.push(bytes);
        self.woken.0.store(true, Ordering::Relaxed);
        self.advance(&mut done)
    }

    /// Moves bytes until `done`, which is asked whenever h2 made progress.
    pub(super) async fn run<S: Wire, T>(
        &mut self,
        stream: &mut S,
        mut done: impl FnMut(&mut Context<'_>, &mut Turn) -> Poll<T>,
    ) -> Result<T, Ended> {
        self.woken.0.store(true, Ordering::Relaxed);
        poll_fn(|cx| self.poll(cx, stream, &mut done)).await
    }

    /// Moves bytes until nothing is under way: h2 has taken in all that was read, to the end of a frame, and all that
    /// it had to say is written. So another reader can take the stream over.
    pub(super) async fn rest<S: Wire>(&mut self, stream: &mut S) -> Result<(), Ended> {
        self.woken.0.store(true, Ordering::Relaxed);
        poll_fn(|cx| {
            let mut never = |_: &mut Context<'_>, _: &mut Turn| Poll::<()>::Pending;
            match self.poll(cx, stream, &mut never) {
                Poll::Pending if self.is_at_rest() => Poll::Ready(Ok(())),
                polled => polled,
            }
        })
        .await
    }

    fn is_at_rest(&self) -> bool {
        let buffers = self.buffers.borrow();
        let moved = buffers.inbound.is_empty() && buffers.outbound.is_empty();
        let idle = !self.woken.0.load(Ordering::Relaxed) && !buffers.starved && !self.unflushed;
        moved && idle && self.boundary.is_reached()
    }

    fn poll<S: Wire, T>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        done: &mut impl FnMut(&mut Context<'_>, &mut Turn) -> Poll<T>,
    ) -> Poll<Result<T, Ended>> {
        loop {
            match self.advance(done) {
                Ok(Poll::Pending) => {}
                // What is left to write is written as far as it goes, and the rest the next time.
                Ok(Poll::Ready(value)) => {
                    let _ = self.write(cx, stream);
                    return Poll::Ready(Ok(value));
                }
                Err(ended) => {
                    let _ = self.write(cx, stream);
                    return Poll::Ready(Err(ended));
                }
            }
            let written = self.write(cx, stream).unwrap_or_else(|error| {
                // What the server still has to say tells more: it is read first.
                self.write_failed.get_or_insert(error);
                Poll::Ready(())
            });
            if self.woken.0.load(Ordering::Relaxed) {
                continue;
            }
            if self.over {
                return written.map(|()| Err(Ended::InOrder));
            }
            let read = self.read(cx, stream);
            match (read, self.write_failed.take()) {
                (Poll::Ready(Ok(())), failed) => self.write_failed = failed,
                (Poll::Ready(Err(ended)), _) => return Poll::Ready(Err(self.last_words(ended))),
                (Poll::Pending, Some(error)) => {
                    return Poll::Ready(Err(self.last_words(Ended::Unwritable(error))));
                }
                (Poll::Pending, None) => return Poll::Pending,
            }
        }
    }

    /// Why the connection cannot go on where the stream is gone: a GOAWAY that came before says more.
    fn last_words(&mut self, ended: Ended) -> Ended {
        self.buffers.borrow_mut().ended = true;
        self.woken.0.store(true, Ordering::Relaxed);
        match self.advance(&mut |_, _| Poll::<()>::Pending) {
            Err(Ended::Broken(error)) if error.is_remote() => Ended::Broken(error),
            _ => ended,
        }
    }

    /// Lets h2 do what it can without the stream.
    fn advance<T>(
        &mut self,
        done: &mut impl FnMut(&mut Context<'_>, &mut Turn) -> Poll<T>,
    ) -> Result<Poll<T>, Ended> {
        let mut cx = Context::from_waker(&self.waker);
        let mut value = Poll::Pending;
        while self.woken.0.swap(false, Ordering::Relaxed) {
            let ended = Pin::new(&mut self.connection).poll(&mut cx);
            if value.is_pending() {
                value = done(&mut cx, &mut self.turn);
            }
            match ended {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.over = true,
                Poll::Ready(Err(error)) if value.is_pending() => {
                    return Err(Ended::Broken(error));
                }
                Poll::Ready(Err(_)) => break,
            }
        }
        Ok(value)
    }

    /// Writes what waits; ready once nothing does.
    fn write<S: Wire>(&mut self, cx: &mut Context<'_>, stream: &mut S) -> io::Result<Poll<()>> {
        let mut buffers = self.buffers.borrow_mut();
        while !buffers.outbound.is_empty() {
            let polled = Pin::new(&mut *stream).poll_write(cx, buffers.outbound.rest());
            match polled {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(written)) => buffers.outbound.drop_first(written),
            }
            self.unflushed = true;
            if std::mem::take(&mut buffers.starved) {
                self.woken.0.store(true, Ordering::Relaxed);
            }
        }
        drop(buffers);
        if self.unflushed {
            let flushed = Pin::new(&mut *stream).poll_flush(cx);
            match flushed {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(flushed) => flushed?,
            }
            self.unflushed = false;
        }
        Ok(Poll::Ready(()))
    }

    /// Reads once, unless h2 has not taken yet what was read.
    fn read<S: Wire>(&mut self, cx: &mut Context<'_>, stream: &mut S) -> Poll<Result<(), Ended>> {
        let mut buffers = self.buffers.borrow_mut();
        if !buffers.inbound.is_empty() {
            return Poll::Pending;
        }
        let mut room = [MaybeUninit::uninit(); READ_SIZE];
        let mut room = ReadBuf::uninit(&mut room);
        match Pin::new(&mut *stream).poll_read(cx, &mut room) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(Ended::Io(error))),
            Poll::Ready(Ok(())) => {}
        }
        let bytes = room.filled();
        if bytes.is_empty() {
            return Poll::Ready(Err(Ended::Eof));
        }
        let Some(left) = self.turn.allowance.checked_sub(bytes.len() as u64) else {
            return Poll::Ready(Err(Ended::Flood));
        };
        self.turn.allowance = left;
        self.turn.read_at = Some(Instant::now());
        let kept = bytes.len().min(BEGINNING - self.begun);
        self.beginning[self.begun..][..kept].copy_from_slice(&bytes[..kept]);
        self.begun += kept;
        self.boundary.pass(bytes);
        buffers.inbound.push(bytes);
        self.woken.0.store(true, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

/// Notes that h2 wants to be polled.
#[derive(Debug)]
struct Woken(AtomicBool);

impl Default for Woken {
    fn default() -> Self {
        Self(AtomicBool::new(true))
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What was read and not yet taken by h2, and what h2 wrote and was not yet sent.
#[derive(Debug, Default)]
struct Buffers {
    inbound: Queue,
    outbound: Queue,
    /// Whether h2 waits for room in `outbound`.
    starved: bool,
    /// Whether nothing more will come.
    ended: bool,
}

impl Buffers {
    fn shrink(&mut self) {
        for queue in [&mut self.inbound, &mut self.outbound] {
            if queue.is_empty() {
                *queue = Queue::default();
            }
        }
    }
}

/// Bytes that are taken from the front.
#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    taken: usize,
}

impl Queue {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn drop_first(&mut self, count: usize) {
        self.taken += count;
        if self.is_empty() {
            self.bytes.clear();
            self.taken = 0;
        }
    }
}

/// The stream that h2 sees.
#[derive(Debug)]
struct Pipe(Rc<RefCell<Buffers>>);

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut buffers = self.0.borrow_mut();
        let ended = buffers.ended;
        let inbound = &mut buffers.inbound;
        if inbound.is_empty() {
            return if ended {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            };
        }
        let count = inbound.rest().len().min(buf.remaining());
        buf.put_slice(&inbound.rest()[..count]);
        inbound.drop_first(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffers = self.0.borrow_mut();
        let room = MOST_WAITING.saturating_sub(buffers.outbound.rest().len());
        if room == 0 {
            buffers.starved = true;
            return Poll::Pending;
        }
        let count = bytes.len().min(room);
        buffers.outbound.push(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
