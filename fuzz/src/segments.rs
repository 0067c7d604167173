//! Bytes that arrive in several segments.

/// Cuts bytes where the pairs of bytes say.
pub fn segments<'a>(bytes: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts
        .chunks_exact(2)
        .map(|pair| usize::from(u16::from_le_bytes([pair[0], pair[1]])) % (bytes.len() + 1))
        .collect();
    at.sort_unstable();
    at.push(bytes.len());
    let mut from = 0;
    let mut segments = Vec::new();
    for to in at {
        segments.push(&bytes[from..to]);
        from = to;
    }
    segments
}
