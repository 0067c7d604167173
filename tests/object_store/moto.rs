//! A server of S3 on loopback, and a way to it on which connections fail.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

/// moto's server with one bucket, `bucket`, killed at the end.
pub struct Moto {
    child: Child,
    pub address: String,
}

/// What becomes of a connection.
#[derive(Clone, Copy)]
pub enum Fault {
    /// It is answered with status 503.
    Unavailable,
    /// It is closed.
    Cut,
    /// The server does what is asked, and its answer does not arrive.
    AnswerLost,
}

impl Moto {
    /// Starts it; after so many requests only known credentials are accepted. `None` where it is not installed and
    /// need not be.
    pub fn start(free_requests: Option<u32>) -> Option<Self> {
        let program =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/venv/bin/moto_server");
        let [required, skipped] = ["SHAKEDOWN_REQUIRE_SERVERS", "SHAKEDOWN_SKIP_SERVERS"]
            .map(|name| std::env::var_os(name).is_some());
        assert!(
            program.is_file() || !required || skipped,
            "{} is not installed; run scripts/install-deps",
            program.display()
        );
        if skipped || !program.is_file() {
            eprintln!("skipped: moto needs the environment of scripts/install-deps");
            return None;
        }
        let mut command = Command::new(program);
        if let Some(count) = free_requests {
            command.env("INITIAL_NO_AUTH_ACTION_COUNT", count.to_string());
        }
        let mut child = command
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, address) = line.split_once("Running on http://")?;
            Some(address.trim().to_owned())
        });
        // Its log must not fill the pipe.
        thread::spawn(move || lines.for_each(drop));
        let moto = Self {
            child,
            address: address.expect("moto says where it listens"),
        };
        let mut bucket = TcpStream::connect(&moto.address).unwrap();
        let request =
            "PUT /bucket HTTP/1.1\r\nHost: s3\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        bucket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        bucket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        Some(moto)
    }

    /// An address whose first connections have these faults.
    pub fn behind(&self, faults: Vec<Fault>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, server) = (listener.local_addr().unwrap(), self.address.clone());
        let mut faults = faults.into_iter();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server, fault) = (client.unwrap(), server.clone(), faults.next());
                thread::spawn(move || pass(client, &server, fault));
            }
        });
        address.to_string()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pass(mut client: TcpStream, server: &str, fault: Option<Fault>) {
    if let Some(Fault::Cut) = fault {
        return;
    }
    if let Some(Fault::Unavailable) = fault {
        request(&mut client);
        let answer = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        client.write_all(answer).unwrap();
        return;
    }
    let mut server = TcpStream::connect(server).unwrap();
    if let Some(Fault::AnswerLost) = fault {
        server.write_all(&request(&mut client)).unwrap();
        // It has done so once it answers.
        let mut answer = [0; 15];
        server.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        return;
    }
    let (mut to, mut from) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
}

/// One request, with its body.
fn request(client: &mut TcpStream) -> Vec<u8> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let read = client.read(&mut piece).unwrap();
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .split_once("content-length: ")
                .map_or("0", |(_, rest)| rest);
            let length: usize = length.lines().next().unwrap().trim().parse().unwrap();
            if body.len() >= length {
                return bytes;
            }
        }
    }
}
