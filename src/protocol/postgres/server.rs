//! The embedded target's side: whoever starts up is let in, and every query is answered with a row.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::odd;
use super::reader::Reader;
use super::request::sized;
use crate::protocol::{ProtocolError, Wire};

/// `PostgreSQL` takes no longer start-up message.
const LONGEST_STARTUP: usize = 10_000;
/// The code in the place of the version with which a client asks for TLS, and for GSSAPI.
const REQUESTS: [u32; 2] = [80_877_103, 80_877_104];
/// Ready, outside of a transaction.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// Serves one session. A client that asks for TLS here is refused: it has it, or there is none.
pub(in crate::protocol) async fn serve<S: Wire>(stream: &mut S) -> Result<(), ProtocolError> {
    while REQUESTS.contains(&startup(stream).await?) {
        stream.write_all(b"N").await?;
        stream.flush().await?;
    }
    let welcome = [
        sized(b"R", &[0; 4]),
        sized(b"S", b"server_version\x0017.0\0"),
        sized(b"S", b"client_encoding\0UTF8\0"),
        sized(b"K", &[0; 8]),
        READY.to_vec(),
    ];
    stream.write_all(&welcome.concat()).await?;
    stream.flush().await?;
    let answer = answer();
    let mut reader = Reader::default();
    let mut piece = [0; 1024];
    loop {
        let received = stream.read(&mut piece).await?;
        if received == 0 {
            break;
        }
        let mut rest = &piece[..received];
        while let Some(kind) = reader.feed(&mut rest).map_err(odd)? {
            match kind {
                b'Q' => stream.write_all(&answer).await?,
                b'X' => {
                    stream.shutdown().await?;
                    return Ok(());
                }
                other => return Err(super::unexpected(other, "the embedded target")),
            }
        }
        stream.flush().await?;
    }
    stream.shutdown().await?;
    Ok(())
}

/// Reads a start-up message; returns its version.
async fn startup<S: Wire>(stream: &mut S) -> Result<u32, ProtocolError> {
    let mut head = [0; 8];
    stream.read_exact(&mut head).await?;
    let [length, version] = [&head[..4], &head[4..]].map(|part| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(part);
        u32::from_be_bytes(bytes)
    });
    let length = length as usize;
    if !(8..=LONGEST_STARTUP).contains(&length) {
        return Err(odd(format!("a start-up message of {length} bytes")));
    }
    let mut left = length - head.len();
    let mut piece = [0; 512];
    while left > 0 {
        let most = piece.len().min(left);
        stream.read_exact(&mut piece[..most]).await?;
        left -= most;
    }
    Ok(version)
}

/// What `select 1` is answered with.
fn answer() -> Vec<u8> {
    // One column of type int4, in text.
    let column = [
        b"\0\x01?column?\0".as_slice(),
        &[0; 6],
        &23_u32.to_be_bytes(),
        &4_u16.to_be_bytes(),
        &u32::MAX.to_be_bytes(),
        &[0; 2],
    ];
    [
        sized(b"T", &column.concat()),
        sized(b"D", b"\0\x01\0\0\0\x011"),
        sized(b"C", b"SELECT 1\0"),
        READY.to_vec(),
    ]
    .concat()
}
