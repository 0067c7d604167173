//! What loading accepts, and the exact message of everything it refuses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustls_pki_types::PrivateKeyDer;
use tempfile::TempDir;

use super::{Identity, Pki, PkiSpec, load_roots, pem};

/// A directory with one minted set, and a helper to put other files beside it.
struct Fixture {
    dir: TempDir,
    pki: Pki,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::mint(&PkiSpec {
            clients: 2,
            ..PkiSpec::default()
        })
        .unwrap();
        pki.write(dir.path(), false).unwrap();
        Self { dir, pki }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn leaf(&self) -> &[u8] {
        &self.pki.server().chain[0]
    }

    /// The error of loading, with the directory cut out of it.
    fn refusal(&self, cert: &Path, key: Option<&Path>) -> String {
        self.short(&Identity::load(cert, key).unwrap_err().to_string())
    }

    fn short(&self, message: &str) -> String {
        message.replace(&format!("{}/", self.dir.path().display()), "")
    }

    /// The refusal of a file used as the key of `server.pem`.
    fn key_refusal(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        self.refusal(&self.at("server.pem"), Some(&self.put(name, bytes)))
    }

    /// The refusal of a file used as the certificate of `server.key`.
    fn cert_refusal(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        self.refusal(&self.put(name, bytes), Some(&self.at("server.key")))
    }
}

#[test]
fn pem_and_der_and_combined_files_load() {
    let files = Fixture::new();
    let key = files.pki.server().key.der().unwrap().secret_der();
    let both = files.put(
        "both.pem",
        files.text("server.key") + &files.text("server.pem"),
    );
    assert_eq!(Identity::load(&both, None).unwrap().chain.len(), 2);
    assert_eq!(Identity::load(&both, None).unwrap().name, "both");
    let cert_der = files.put("server.crt", files.leaf());
    let key_der = files.put("key.der", key);
    let loaded = Identity::load(&cert_der, Some(&key_der)).unwrap();
    assert_eq!(
        (loaded.chain.len(), loaded.key.der().unwrap().secret_der()),
        (1, key)
    );
    assert_eq!(load_roots(&cert_der).unwrap()[0].as_ref(), files.leaf());
    let bundle = files.put(
        "bundle.pem",
        files.text("root.pem") + &files.text("server.pem"),
    );
    assert_eq!(load_roots(&bundle).unwrap().len(), 3);
}

#[test]
fn sec1_and_pkcs1_keys_load() {
    // A PKCS#8 key of version 1 wraps the older form in its octet string, which is where we cut it out.
    let inner = |key: &PrivateKeyDer<'_>, start: &[u8]| {
        let der = key.secret_der();
        let at = der.windows(start.len()).rposition(|w| w == start).unwrap();
        der[at - if der.len() > 300 { 4 } else { 2 }..].to_vec()
    };
    let files = Fixture::new();
    let sec1 = inner(files.pki.server().key.der().unwrap(), &[2, 1, 1, 4, 32]);
    let path = files.put("ec.key", pem::encode("EC PRIVATE KEY", &sec1));
    let loaded = Identity::load(&files.at("server.pem"), Some(&path)).unwrap();
    assert!(matches!(loaded.key.der(), Some(PrivateKeyDer::Sec1(_))));
    let path = files.put("ec.der", &sec1);
    Identity::load(&files.at("server.pem"), Some(&path)).unwrap();

    let spec = PkiSpec {
        server_key: super::KeyAlgorithm::Rsa2048,
        ..PkiSpec::default()
    };
    let pki = Pki::mint(&spec).unwrap();
    let dir = tempfile::tempdir().unwrap();
    pki.write(dir.path(), false).unwrap();
    let pkcs1 = inner(pki.server().key.der().unwrap(), &[2, 1, 0, 2, 0x82, 1, 1]);
    let path = files.put("rsa.key", pem::encode("RSA PRIVATE KEY", &pkcs1));
    let loaded = Identity::load(&dir.path().join("server.pem"), Some(&path)).unwrap();
    assert!(matches!(loaded.key.der(), Some(PrivateKeyDer::Pkcs1(_))));
}

#[test]
fn unreadable_and_oversized_files_are_named() {
    let files = Fixture::new();
    assert_eq!(
        files.refusal(&files.at("no.pem"), None),
        "cannot read no.pem: No such file or directory (os error 2); check that the path is right and that this user may read it"
    );
    assert_eq!(
        files.cert_refusal("big.pem", vec![b'a'; (4 << 20) + 1]),
        "big.pem is larger than 4194304 bytes; check that it is a certificate or key file, and split a bundle that really is this large"
    );
}

#[test]
fn a_file_without_a_certificate_says_what_it_holds() {
    let files = Fixture::new();
    let hint = "; give a PEM file with a CERTIFICATE section or a DER certificate";
    let key = files.text("server.key");
    let csr = pem::encode("CERTIFICATE REQUEST", b"x");
    for (bytes, found) in [
        (
            (key + &csr).into_bytes(),
            "only PRIVATE KEY, CERTIFICATE REQUEST",
        ),
        (Vec::new(), "an empty file"),
        (b"hello".to_vec(), "neither PEM text nor DER"),
        (
            files.pki.server().key.der().unwrap().secret_der().to_vec(),
            "a private key",
        ),
        (files.leaf()[..50].to_vec(), "DER that ends after 46 of its"),
    ] {
        let error = files.cert_refusal("x", bytes);
        assert!(
            error.starts_with(&format!("no certificate in x: found {found}")),
            "{error}"
        );
        assert!(error.ends_with(hint), "{error}");
    }
    let roots = load_roots(&files.at("server.key")).unwrap_err().to_string();
    assert_eq!(
        files.short(&roots),
        format!("no certificate in server.key: found only PRIVATE KEY{hint}")
    );
}

#[test]
fn a_file_without_a_key_says_what_it_holds_and_where_to_put_one() {
    let files = Fixture::new();
    assert_eq!(
        files.refusal(&files.at("server.pem"), None),
        "no private key in server.pem: found only CERTIFICATE; name the key's file with --key, or append the key to this one"
    );
    assert_eq!(
        files.key_refusal("k.pem", files.text("server.pem")),
        "no private key in k.pem: found only CERTIFICATE; give a PEM or DER file with a private key"
    );
    assert_eq!(
        files.key_refusal("k.der", files.leaf()),
        "no private key in k.der: found a DER certificate; give a PEM or DER file with a private key"
    );
}

#[test]
fn an_encrypted_key_asks_for_its_password() {
    let files = Fixture::new();
    let dir = files.dir.path().display().to_string();
    // PBES2 parameters and a ciphertext, as far as they matter.
    let der = [
        0x30, 0x11, 0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 0x0d, 5, 0, 4, 0,
    ];
    let expected = "the private key in my enc.key is encrypted; give its password with --pass-file or --pass-env (pass-file or pass-env of the identity in a scenario)";
    for bytes in [
        der.to_vec(),
        pem::encode("ENCRYPTED PRIVATE KEY", &der).into_bytes(),
    ] {
        let path = files.put("my enc.key", bytes);
        let error = Identity::load(&files.at("server.pem"), Some(&path))
            .unwrap_err()
            .to_string();
        let error = error
            .replacen(&format!("{dir}/"), "", 1)
            .replace(&dir, "DIR");
        assert_eq!(error, expected);
    }
    let both = files.text("server.pem") + &pem::encode("ENCRYPTED PRIVATE KEY", &der);
    let error = files.refusal(&files.put("both.pem", both), None);
    assert!(
        error.contains("both.pem is encrypted; give its password"),
        "{error}"
    );
}

#[test]
fn containers_come_with_the_command_that_converts_them() {
    let files = Fixture::new();
    let p12 = [0x30, 0x07, 2, 1, 3, 0x30, 2, 6, 0];
    assert_eq!(
        files.cert_refusal("me.p12", p12),
        "me.p12 is a PKCS#12 archive under a password; give it with --pass-file or --pass-env (pass-file or pass-env of the identity in a scenario)"
    );
    let p7 = [
        0x30, 0x0b, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2,
    ];
    assert_eq!(
        files.cert_refusal("ca.p7b", p7),
        "ca.p7b is a PKCS#7 bundle; convert it with `openssl pkcs7 -inform DER -in ca.p7b -print_certs -out ca.pem`"
    );
    assert!(
        files
            .cert_refusal("a.jks", [0xfe, 0xed, 0xfe, 0xed])
            .contains("`keytool ")
    );
    assert!(
        files
            .cert_refusal("a.txt", [0xff, 0xfe, b'-', 0])
            .contains("`iconv ")
    );
}

#[test]
fn files_as_editors_and_other_tools_write_them_load() {
    let files = Fixture::new();
    let (cert, key) = (files.text("server.pem"), files.text("server.key"));
    let around = format!("\u{feff}Bag Attributes\r\n{cert}\r\nsubject=x\r\n");
    let marked = files.put("marked.pem", &around);
    let marked_key = files.put("marked.key", format!("\u{feff}{key}"));
    let carriage = files.put("mac.pem", cert.replace('\n', "\r"));
    let old = files.put("old.pem", cert.replace("CERTIFICATE", "X509 CERTIFICATE"));
    let settings = pem::encode(
        "TRUSTED CERTIFICATE",
        &[files.leaf(), &[0x30, 2, 0x0c, 0]].concat(),
    );
    let trusted = files.put("trusted.pem", settings);
    for cert in [marked, carriage, old, trusted] {
        for key in [&files.at("server.key"), &marked_key] {
            let loaded = Identity::load(&cert, Some(key)).unwrap();
            assert_eq!(loaded.chain[0].as_ref(), files.leaf(), "{}", cert.display());
        }
        assert_eq!(load_roots(&cert).unwrap()[0].as_ref(), files.leaf());
    }
}

#[test]
fn wrong_kinds_of_pem_come_with_what_to_do() {
    let files = Fixture::new();
    for label in ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"] {
        let error = files.cert_refusal("r.csr", pem::encode(label, b"x"));
        assert!(
            error.starts_with("no certificate in r.csr: found a certificate signing request, "),
            "{error}"
        );
    }
    assert_eq!(
        files.cert_refusal("c.p7c", pem::encode("PKCS7", b"x")),
        "c.p7c is a PKCS#7 bundle; convert it with `openssl pkcs7 -in c.p7c -print_certs -out c.pem`"
    );
    let ssh = |kind: &str| pem::encode("OPENSSH PRIVATE KEY", kind.as_bytes());
    assert_eq!(
        files.key_refusal("id", ssh("ecdsa-sha2-nistp256")),
        "id is an OpenSSH key; convert it with `cp id id.pem && ssh-keygen -p -N '' -m PKCS8 -f id.pem`"
    );
    assert!(
        files
            .key_refusal("id", ssh("ssh-ed25519"))
            .contains("which ssh-keygen does not convert")
    );
    let utf16: Vec<u8> = files
        .text("server.pem")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(
        files.cert_refusal("wide.pem", utf16),
        "wide.pem is UTF-16 text; convert it with `iconv -f UTF-16LE -t UTF-8 wide.pem > wide.pem.pem`"
    );
}

#[test]
fn a_key_of_another_certificate_names_both_files() {
    let files = Fixture::new();
    assert_eq!(
        files.refusal(&files.at("client-0.pem"), Some(&files.at("client-1.key"))),
        "the private key in client-1.key does not match the certificate in client-0.pem; give the pair that was issued together"
    );
    let reversed = files.text("ca.pem") + &files.text("server.pem");
    assert_eq!(
        files.cert_refusal("reversed.pem", reversed),
        "the private key in server.key does not match the certificate in reversed.pem; it belongs to certificate 2 of 3: put that one first in the file"
    );
}

#[test]
fn damage_is_located_and_never_quotes_the_file() {
    let files = Fixture::new();
    let text = files.text("server.pem");
    assert_eq!(
        files.cert_refusal("cut.pem", &text[..text.len() - 40]),
        format!(
            "bad PEM in cut.pem at line {}: section CERTIFICATE has no END line; the file may be truncated; copy or export the file again",
            text.lines().position(|line| line.contains("END")).unwrap() + 2
        )
    );
    assert_eq!(
        files.key_refusal(
            "bad.key",
            "\n-----BEGIN PRIVATE KEY-----\n!SECRET!\n-----END PRIVATE KEY-----\n"
        ),
        "bad PEM in bad.key at line 2: section PRIVATE KEY is not valid base64; copy or export the file again"
    );
    let error = files.cert_refusal("junk.pem", text + &pem::encode(pem::CERTIFICATE, b"junk"));
    assert!(
        error.starts_with("certificate 3 in junk.pem does not parse: "),
        "{error}"
    );
    assert!(
        error.ends_with(
            "look at it with `openssl x509 -in junk.pem -noout -text` and export it again"
        ),
        "{error}"
    );
    // Tag 16 without the bit that says it is constructed: parsers let it pass, TLS peers do not.
    let mut primitive = files.leaf().to_vec();
    primitive[0] = 0x10;
    let error = files.cert_refusal("tag.pem", pem::encode(pem::CERTIFICATE, &primitive));
    assert!(
        error.starts_with(
            "certificate 1 in tag.pem does not parse: it does not begin as a DER sequence; "
        ),
        "{error}"
    );
    let error = files.key_refusal("junk.key", pem::encode("PRIVATE KEY", b"SECRET"));
    assert!(
        error.starts_with("the private key in junk.key cannot be used: "),
        "{error}"
    );
    assert!(
        !error.contains("SECRET") && error.ends_with("or Ed25519 key"),
        "{error}"
    );
}

#[test]
fn the_commands_we_print_make_files_that_load() {
    let files = Fixture::new();
    let dir = files.dir.path();
    // Runs a command in the directory; `false` where there is no openssl.
    let sh = |command: &str| match Command::new("openssl").arg("version").output() {
        Ok(_) => {
            let done = Command::new("sh")
                .args(["-ec", command])
                .current_dir(dir)
                .output()
                .unwrap();
            assert!(
                done.status.success(),
                "{command}: {}",
                String::from_utf8_lossy(&done.stderr)
            );
            true
        }
        Err(_) => false,
    };
    let printed = |message: &str| message.split('`').nth(1).unwrap().to_owned();
    if !sh("openssl crl2pkcs7 -nocrl -certfile server.pem -outform DER -out s.p7b") {
        eprintln!("openssl is not on the PATH: not tested");
        return;
    }
    let error = files.refusal(&files.at("s.p7b"), Some(&files.at("server.key")));
    sh(&printed(&error));
    assert_eq!(load_roots(&files.at("s.pem")).unwrap().len(), 2);
}
