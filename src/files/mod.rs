//! Files of strangers and of ours. What is read is capped, whatever the file system says of its size; what is
//! written is whole or not there ([`mod@write`]).

pub mod write;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Most of a text that people write (a scenario, a policy), in bytes.
pub const TEXT_CAP: u64 = 4 << 20;

/// Reads a whole file, pipe or device of at most `cap` bytes.
///
/// Fails if it cannot be read, and with [`io::ErrorKind::FileTooLarge`] and the cap if it holds more.
pub(crate) fn read_capped(path: &Path, cap: u64) -> io::Result<Vec<u8>> {
    read_all(File::open(path)?, cap)
}

/// Reads a whole text of at most `cap` bytes.
///
/// # Errors
///
/// Fails as [`read_capped`] does, and with the line if it is not UTF-8.
pub fn read_text(path: &Path, cap: u64) -> io::Result<String> {
    text(read_capped(path, cap)?)
}

/// Reads to the end of something that holds at most `cap` bytes, such as standard input.
///
/// Fails as [`read_capped`] does.
pub(crate) fn read_all(from: impl Read, cap: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(cap.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > cap {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it holds more than {}, the most that is read", size(cap)),
        ));
    }
    Ok(bytes)
}

/// Bytes as text.
///
/// Fails with the line on which they are not UTF-8.
pub(crate) fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("line {line} is not UTF-8 text"),
        )
    })
}

fn size(bytes: u64) -> String {
    if bytes >= 1 << 20 {
        format!("{} MiB", bytes >> 20)
    } else {
        format!("{bytes} bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_cap_is_read_whatever_the_size_in_the_directory_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_capped(&path, 5).unwrap(), b"12345");
        // A device has no size, and no end.
        for (path, cap) in [(path.as_path(), 4), (Path::new("/dev/zero"), 1 << 20)] {
            let error = read_capped(path, cap).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{error}");
            let shown = if cap == 4 { "4 bytes" } else { "1 MiB" };
            assert!(error.to_string().contains(shown), "{error}");
        }
        // Files of /proc have content and the size 0.
        assert!(
            !read_capped(Path::new("/proc/self/stat"), 1 << 20)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn what_is_no_text_is_named_by_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, b"a\nb\xff\n").unwrap();
        let error = read_text(&path, TEXT_CAP).unwrap_err();
        assert_eq!(error.to_string(), "line 2 is not UTF-8 text");
        std::fs::write(&path, "ž\n").unwrap();
        assert_eq!(read_text(&path, TEXT_CAP).unwrap(), "ž\n");
    }
}
