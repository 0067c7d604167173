//! A minimal HTTP/1.1 responder for the embedded target: every request gets 200 and three bytes.

use httparse::{EMPTY_HEADER, Request, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::ProtocolError;
use super::http1::read_sized;
use crate::stats::FailureClass;

/// An answer with these last headers and body.
macro_rules! answer {
    ($rest:literal) => {
        concat!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n",
            $rest
        )
        .as_bytes()
    };
}

/// Largest request head that is read, in bytes.
const HEAD_CAP: usize = 64 * 1024;

/// What the head of a request says.
struct Head {
    length: usize,
    body: u64,
    without_body: bool,
    close: bool,
}

impl Head {
    fn answer(&self) -> &'static [u8] {
        match (self.close, self.without_body) {
            (false, false) => answer!("\r\nok\n"),
            (false, true) => answer!("\r\n"),
            (true, false) => answer!("connection: close\r\n\r\nok\n"),
            (true, true) => answer!("connection: close\r\n\r\n"),
        }
    }
}

pub(super) async fn serve<S>(stream: &mut S) -> Result<(), ProtocolError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = Vec::with_capacity(1024);
    loop {
        let head = loop {
            if let Some(head) = parse(&buffer)? {
                break head;
            }
            if buffer.len() > HEAD_CAP {
                return Err(bad("the request head is too long"));
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                stream.shutdown().await?;
                return Ok(());
            }
        };
        buffer.drain(..head.length);
        read_sized(head.body, stream, &mut buffer).await?;
        stream.write_all(head.answer()).await?;
        stream.flush().await?;
        if head.close {
            stream.shutdown().await?;
            return Ok(());
        }
    }
}

fn bad(message: &str) -> ProtocolError {
    ProtocolError::Answer {
        class: FailureClass::HttpProtocol,
        message: message.to_owned(),
    }
}

fn parse(bytes: &[u8]) -> Result<Option<Head>, ProtocolError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut headers = [EMPTY_HEADER; 64];
    let mut request = Request::new(&mut headers);
    let Status::Complete(length) = request
        .parse(bytes)
        .map_err(|_| bad("not an HTTP/1.1 request"))?
    else {
        return Ok(None);
    };
    let find = |name: &str| {
        request
            .headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name))
            .map(|h| h.value)
    };
    let body = match find("content-length") {
        None => 0,
        Some(value) => std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| bad("content-length is not a number"))?,
    };
    Ok(Some(Head {
        length,
        body,
        without_body: request.method == Some("HEAD"),
        // HTTP/1.0 knows no sessions that stay open unless both ends say so, and we do not.
        close: request.version == Some(0) || find("connection").is_some_and(names_close),
    }))
}

fn names_close(options: &[u8]) -> bool {
    let mut options = options.split(|byte| *byte == b',');
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client gets for `requests` until the server closes, or has answered all of them and the client closes.
    fn answered(requests: &str) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut client, mut server) = tokio::io::duplex(4096);
            client.write_all(requests.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
            serve(&mut server).await.unwrap();
            drop(server);
            let mut came = String::new();
            client.read_to_string(&mut came).await.unwrap();
            came
        })
    }

    #[test]
    fn it_closes_after_a_request_that_asks_for_it_and_says_so() {
        for request in [
            "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
            "GET / HTTP/1.1\r\nConnection: TE, Close\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
        ] {
            let came = answered(&request.repeat(2));
            assert_eq!(came.matches("HTTP/1.1 200 OK").count(), 1, "{request}");
            assert_eq!(came.matches("connection: close\r\n").count(), 1);
            assert!(came.ends_with("\r\n\r\nok\n"), "{came}");
        }
    }

    #[test]
    fn it_goes_on_otherwise_and_answers_head_without_a_body() {
        let came = answered("GET / HTTP/1.1\r\n\r\nHEAD / HTTP/1.1\r\n\r\n");
        let (first, second) = came.split_once("ok\n").unwrap();
        assert!(!first.contains("connection"));
        assert!(second.ends_with("content-length: 3\r\n\r\n"), "{second}");
    }
}
