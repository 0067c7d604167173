//! Echo: what is sent comes back. The smallest proof that a server accepted a session.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::ProtocolError;
use crate::stats::FailureClass;

/// Size of one piece that is sent before its echo is read. It fits into any socket's buffers, so
/// that neither side waits for the other to read (the kernel's smallest default is 4 KiB).
const PIECE: usize = 4 * 1024;
/// The byte that is sent.
const FILL: u8 = b'e';

/// The first piece of an exchange.
pub(super) fn opening(payload: usize) -> Vec<u8> {
    vec![FILL; payload.min(PIECE)]
}

pub(super) async fn exchange<S>(
    payload: usize,
    stream: &mut S,
    scratch: &mut Vec<u8>,
) -> Result<(), ProtocolError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut left = payload;
    while left > 0 {
        let piece = left.min(PIECE);
        scratch.clear();
        scratch.resize(piece, FILL);
        stream.write_all(scratch).await?;
        stream.flush().await?;
        // Room for one byte more than was sent, so that a surplus is seen.
        scratch.push(0);
        let mut back = 0;
        while back < piece {
            let before = payload - left + back;
            match stream.read(&mut scratch[back..]).await {
                Ok(0) => {
                    return Err(broke_off(
                        io::ErrorKind::UnexpectedEof.into(),
                        before,
                        payload,
                    ));
                }
                Ok(received) => back += received,
                Err(error) => return Err(broke_off(error, before, payload)),
            }
        }
        if back > piece {
            return Err(mismatch(format!("sent {piece} bytes, got back more")));
        }
        if scratch[..piece].iter().any(|byte| *byte != FILL) {
            return Err(mismatch(format!(
                "sent {piece} bytes, got back \"{}\"",
                String::from_utf8_lossy(&scratch[..piece.min(32)])
            )));
        }
        left -= piece;
    }
    Ok(())
}

/// What the end of the stream means after so many bytes of the echo: before it began the session knows
/// more.
fn broke_off(error: io::Error, back: usize, payload: usize) -> ProtocolError {
    let ended = matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    );
    if ended && back > 0 {
        mismatch(format!("the echo ended after {back} of {payload} bytes"))
    } else {
        error.into()
    }
}

fn mismatch(message: String) -> ProtocolError {
    ProtocolError::Answer {
        class: FailureClass::EchoMismatch,
        message,
    }
}

pub(super) async fn serve<S>(stream: &mut S) -> Result<(), ProtocolError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = [0u8; 2048];
    loop {
        let received = stream.read(&mut buffer).await?;
        if received == 0 {
            stream.shutdown().await?;
            return Ok(());
        }
        stream.write_all(&buffer[..received]).await?;
        stream.flush().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn large_payloads_do_not_block_either_side() {
        run(async {
            let (mut client, mut server) = tokio::io::duplex(4_096);
            let both = async {
                exchange(100_000, &mut client, &mut Vec::new())
                    .await
                    .unwrap();
                drop(client);
            };
            let (result, ()) = tokio::join!(serve(&mut server), both);
            result.unwrap();
        });
    }

    #[test]
    fn a_wrong_answer_and_a_longer_one_are_a_failure_class() {
        for answer in [b"HTTP".as_slice(), b"eeeee"] {
            run(async {
                let (mut client, mut server) = tokio::io::duplex(1_000);
                server.write_all(answer).await.unwrap();
                let error = exchange(4, &mut client, &mut Vec::new()).await.unwrap_err();
                assert!(
                    matches!(
                        error,
                        ProtocolError::Answer {
                            class: FailureClass::EchoMismatch,
                            ..
                        }
                    ),
                    "{error}"
                );
            });
        }
    }
}
