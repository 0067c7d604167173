//! Reads what an agent sends: messages of gRPC, and in them `X509SVIDResponse` in the encoding of Protocol Buffers.
//! Everything is capped; errors are clauses without text from the agent.

use std::fmt;

/// Most bytes of a message.
const MESSAGE_CAP: usize = 1 << 20;
/// Most SVIDs of a message.
const MOST: usize = 1_000;
/// Most bytes of a SPIFFE ID (SPIFFE-ID section 2.3), and of a hint.
const ID_CAP: usize = 2_048;

/// One identity as the agent sends it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Svid {
    /// Its SPIFFE ID.
    pub id: String,
    /// Its certificates, leaf first: DER, one after the other.
    pub chain: Vec<u8>,
    /// The private key of the leaf, PKCS#8.
    pub key: Vec<u8>,
    /// The roots of its trust domain: DER, one after the other.
    pub bundle: Vec<u8>,
    /// What the operator calls it, where a process has several.
    pub hint: String,
}

impl fmt::Debug for Svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Svid")
            .field("id", &self.id)
            .field("hint", &self.hint)
            .field("key", &"[secret key elided]")
            .finish_non_exhaustive()
    }
}

/// Takes the first message out of what a stream of gRPC has brought so far; `None` if it is not all there yet.
///
/// # Errors
///
/// Fails if it is compressed, which nobody asked for, or larger than the cap.
pub fn message_of(stream: &mut Vec<u8>) -> Result<Option<Vec<u8>>, String> {
    let Some(([compressed, length @ ..], _)) = stream.split_first_chunk::<5>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    if *compressed != 0 {
        return Err("its message is compressed".to_owned());
    }
    if length > MESSAGE_CAP {
        return Err(format!(
            "its message is said to have {length} bytes, of which at most {MESSAGE_CAP} are read"
        ));
    }
    if stream.len() - 5 < length {
        return Ok(None);
    }
    let rest = stream.split_off(5 + length);
    let mut message = std::mem::replace(stream, rest);
    message.drain(..5);
    Ok(Some(message))
}

/// The SVIDs of an `X509SVIDResponse`; never none.
///
/// # Errors
///
/// Fails if the bytes are none, or hold no SVID, one without certificate or key, or too many.
pub fn svids_of(message: &[u8]) -> Result<Vec<Svid>, String> {
    let mut svids = Vec::new();
    for field in Fields(message) {
        if let (1, value) = field? {
            if svids.len() == MOST {
                return Err(format!("it holds more than {MOST} SVIDs"));
            }
            svids.push(svid_of(bytes(value)?)?);
        }
    }
    if svids.is_empty() {
        return Err("it holds no SVID".to_owned());
    }
    Ok(svids)
}

fn svid_of(message: &[u8]) -> Result<Svid, String> {
    let mut svid = Svid::default();
    for field in Fields(message) {
        match field? {
            (1, value) => svid.id = text(value)?,
            (2, value) => svid.chain = bytes(value)?.to_vec(),
            (3, value) => svid.key = bytes(value)?.to_vec(),
            (4, value) => svid.bundle = bytes(value)?.to_vec(),
            (5, value) => svid.hint = text(value)?,
            _ => {}
        }
    }
    if svid.id.is_empty() || svid.chain.is_empty() || svid.key.is_empty() {
        return Err("an SVID lacks its ID, its certificate or its key".to_owned());
    }
    Ok(svid)
}

/// The value of a field: what it has between its length and the next field; nothing if it is a number.
type Value<'a> = Option<&'a [u8]>;

fn bytes(value: Value<'_>) -> Result<&[u8], String> {
    value.ok_or_else(|| "a field has another type than the Workload API's".to_owned())
}

fn text(value: Value<'_>) -> Result<String, String> {
    let bytes = bytes(value)?;
    if bytes.len() > ID_CAP {
        return Err(format!("an ID or hint is longer than {ID_CAP} bytes"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "an ID or hint is no UTF-8".to_owned())?;
    Ok(text.to_owned())
}

/// The fields of a message, each with its number.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(|| "it is no message of Protocol Buffers".to_owned()))
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => {
                self.varint()?;
                None
            }
            1 => {
                self.take(8)?;
                None
            }
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Some(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                None
            }
            // Groups are deprecated, and the others are none.
            _ => return None,
        };
        Some((tag >> 3, value)).filter(|(number, _)| *number != 0)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number in groups of 7 bits, the lowest first.
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for place in 0..10 {
            let byte = *self.take(1)?.first()?;
            number |= u64::from(byte & 0x7f).checked_shl(7 * place)?;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        let mut length = value.len();
        while length >= 0x80 {
            out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        out.push(u8::try_from(length).unwrap());
        out.extend(value);
        out
    }

    fn encoded(svid: &Svid) -> Vec<u8> {
        let parts = [
            field(1, svid.id.as_bytes()),
            field(2, &svid.chain),
            field(3, &svid.key),
            field(4, &svid.bundle),
            field(5, svid.hint.as_bytes()),
            // A number, eight bytes and four bytes that later versions may have.
            vec![0x50, 0x96, 0x01],
            vec![0x59, 0, 0, 0, 0, 0, 0, 0, 0],
            vec![0x65, 0, 0, 0, 0],
        ];
        field(1, &parts.concat())
    }

    fn usual() -> Svid {
        Svid {
            id: "spiffe://x/y".to_owned(),
            chain: vec![1],
            key: vec![2],
            ..Svid::default()
        }
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        let lacks = field(1, &field(1, b"spiffe://x/y"));
        let many = encoded(&usual()).repeat(MOST + 1);
        let long = encoded(&Svid {
            id: "x".repeat(ID_CAP + 1),
            ..usual()
        });
        for (message, why) in [
            (&b""[..], "no SVID"),
            (b"\x08\x01", "another type"),
            (b"\x0a\x05x", "no message"),
            (b"\x0b", "no message"),
            (b"\x02\x00", "no message"),
            (&[0xff; 11], "no message"),
            (&field(1, &field(1, b"\xff")), "no UTF-8"),
            (&lacks, "lacks"),
            (&many, "more than 1000"),
            (&long, "longer than"),
        ] {
            let error = svids_of(message).unwrap_err();
            assert!(error.contains(why), "{why}: {error}");
        }
        assert!(!format!("{:?}", usual()).contains('2'));
    }

    #[test]
    fn messages_that_are_too_large_or_compressed_are_not_read() {
        let too_large = u32::try_from(MESSAGE_CAP + 1).unwrap().to_be_bytes();
        let mut stream = [&[0], &too_large[..]].concat();
        assert!(message_of(&mut stream).unwrap_err().contains("at most"));
        let mut stream = vec![1, 0, 0, 0, 0];
        assert!(message_of(&mut stream).unwrap_err().contains("compressed"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(svids) = svids_of(&bytes) {
                let held = |svid: &Svid| svid.id.len() + svid.chain.len() + svid.key.len() + svid.bundle.len();
                prop_assert!(svids.iter().map(held).sum::<usize>() <= bytes.len());
            }
            let mut stream = bytes.clone();
            while let Ok(Some(message)) = message_of(&mut stream) {
                prop_assert!(message.len() <= bytes.len());
            }
        }

        #[test]
        fn what_is_written_is_read_however_it_is_cut(
            id in "[a-z]{1,200}",
            chain in proptest::collection::vec(any::<u8>(), 1..400),
            bundle in proptest::collection::vec(any::<u8>(), 0..9),
            hint in "[a-z]{0,9}",
            cut in 1usize..50,
        ) {
            let svid = Svid { id, chain, key: vec![7], bundle, hint };
            let message = [encoded(&svid), encoded(&usual())].concat();
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            let sent = [&[0], &length[..], &message].concat().repeat(2);
            let (mut stream, mut read) = (Vec::new(), Vec::new());
            for piece in sent.chunks(cut) {
                stream.extend(piece);
                while let Some(message) = message_of(&mut stream).unwrap() {
                    read.push(svids_of(&message).unwrap());
                }
            }
            let both = vec![svid, usual()];
            prop_assert_eq!(read, vec![both.clone(), both]);
            prop_assert!(stream.is_empty());
        }
    }
}
