//! Private keys as people have them: under a password, in PKCS#8, OpenSSL's old form and PKCS#12, all made by openssl.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::process::{Running, code, serve, shakedown, text};
use common::{pki_in, total};
use shakedown::record::RunRecord;

const PASSWORD: &str = "correct horse";

/// Runs openssl in a folder. Its passwords are those of a test.
fn openssl(dir: &Path, args: &str) {
    let output = Command::new("openssl")
        .current_dir(dir)
        .args(args.split_whitespace())
        .env("PASSWORD", PASSWORD)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "openssl {args}: {}",
        text(&output.stderr)
    );
}

/// A server, and the key of its client in every form.
fn served(dir: &Path) -> (Running, u16) {
    pki_in(&dir.join("pki"));
    fs::write(dir.join("password"), format!("{PASSWORD}\nnot this line\n")).unwrap();
    let key = "-in pki/client-0.key -passout env:PASSWORD -out";
    openssl(dir, &format!("pkcs8 -topk8 -v2 aes-256-cbc {key} aes.key"));
    openssl(dir, &format!("pkcs8 -topk8 -scrypt {key} scrypt.key"));
    openssl(dir, &format!("pkcs8 -topk8 -v2 des3 {key} des3.key"));
    openssl(
        dir,
        &format!("pkcs8 -topk8 -v2 aes-128-cbc -outform DER {key} der.key"),
    );
    for cipher in ["aes128", "aes192", "aes256", "des3"] {
        openssl(dir, &format!("ec -{cipher} {key} old-{cipher}.key"));
    }
    let pair = "-inkey pki/client-0.key -in pki/client-0.pem -passout env:PASSWORD -out";
    openssl(dir, &format!("pkcs12 -export {pair} modern.p12"));
    openssl(dir, &format!("pkcs12 -export -legacy {pair} legacy.p12"));
    openssl(
        dir,
        "pkcs12 -export -inkey pki/client-0.key -in pki/client-0.pem -passout pass: -out open.p12",
    );
    serve(dir, "pki", "127.0.0.1:0")
}

/// A short load with a certificate, whose result is written.
fn load(dir: &Path, port: u16, flags: &str) -> Output {
    let _ = fs::remove_file(dir.join("out.json"));
    shakedown(dir)
        .args([
            "run",
            &format!("tls://localhost:{port}"),
            "--cacert",
            "pki/ca.pem",
        ])
        .args(["--protocol", "echo", "-n", "2", "-c", "1", "-o", "out.json"])
        .args(flags.split_whitespace())
        .env("KEY_PASSWORD", PASSWORD)
        .output()
        .unwrap()
}

/// The confirmed sessions of a result.
fn confirmed(result: &str) -> u64 {
    let record: RunRecord = serde_json::from_str(result).unwrap();
    total(&record).ok_total()
}

#[test]
fn every_form_that_openssl_writes_opens() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = served(dir.path());
    let keys = [
        "aes",
        "scrypt",
        "des3",
        "der",
        "old-aes128",
        "old-aes192",
        "old-aes256",
        "old-des3",
    ];
    let mut forms: Vec<String> = keys
        .map(|key| format!("--cert pki/client-0.pem --key {key}.key --pass-file password"))
        .into();
    forms.push("--cert modern.p12 --pass-env KEY_PASSWORD".to_owned());
    forms.push("--cert legacy.p12 --pass-file password".to_owned());
    forms.push("--cert open.p12".to_owned());
    for form in forms {
        let output = load(dir.path(), port, &form);
        let said = text(&output.stderr);
        let result = fs::read_to_string(dir.path().join("out.json"))
            .unwrap_or_else(|_| panic!("{form}: {said}"));
        assert_eq!(confirmed(&result), 2, "{form}: {said}");
        // Neither in the result nor in what was printed.
        for place in [&result, &said, &text(&output.stdout)] {
            assert!(!place.contains(PASSWORD), "{form}");
        }
    }
}

#[test]
fn a_password_behind_the_certificate_works_as_in_curl_and_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = served(dir.path());
    for password in ["correct", "ab"] {
        fs::write(dir.path().join("password"), password).unwrap();
        openssl(
            dir.path(),
            "pkcs12 -export -inkey pki/client-0.key -in pki/client-0.pem -passout file:password -out short.p12",
        );
        let output = load(dir.path(), port, &format!("--cert short.p12:{password}"));
        let said = text(&output.stderr);
        assert!(said.contains("can read the password in --cert"), "{said}");
        let result = fs::read_to_string(dir.path().join("out.json")).unwrap();
        assert_eq!(confirmed(&result), 2, "{said}");
        assert!(result.contains("short.p12:(redacted)"), "{password}");
    }
}

#[test]
fn a_type_as_curl_has_it_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = served(dir.path());
    openssl(
        dir.path(),
        "x509 -in pki/client-0.pem -outform DER -out client.der",
    );
    let key = "--key pki/client-0.key";
    let pem = format!("--cert pki/client-0.pem {key}");
    let der = format!("--cert client.der {key}");
    let p12 = "--cert modern.p12 --pass-file password".to_owned();
    // The server does not know the issuer of a leaf alone, so loading it is all that is looked at.
    for (files, holds, types) in [
        (&pem, "PEM text", ["PEM", "P12", "DER"]),
        (&der, "DER", ["DER", "PEM", "P12"]),
        (&p12, "a PKCS#12 archive", ["p12", "PEM", "der"]),
    ] {
        let [own, others @ ..] = types;
        let output = load(dir.path(), port, &format!("{files} --cert-type {own}"));
        let said = text(&output.stderr);
        assert!(dir.path().join("out.json").exists(), "{files}: {said}");
        for other in others {
            let output = load(dir.path(), port, &format!("{files} --cert-type {other}"));
            let said = text(&output.stderr);
            let [own, other] = [own, other].map(str::to_lowercase);
            let words = format!(
                "{} holds {holds}, and its type is said to be {other}; give --cert-type {own}",
                files.split(' ').nth(1).unwrap()
            );
            assert_eq!(code(&output), 104, "{said}");
            assert!(said.contains(&words), "{words}: {said}");
        }
    }
    // A scenario says it, too, of one of several identities.
    let scenario = format!(
        "version = 1\nname = \"typed\"\n[target]\nurl = \"tls://localhost:{port}\"\n[tls]\ncacert = \"pki/ca.pem\"\n\
         [load]\ntotal = 2\n[[identities]]\nname = \"one\"\ncert = \"pki/client-0.pem\"\nkey = \"pki/client-0.key\"\n\
         cert-type = \"p12\"\n"
    );
    fs::write(dir.path().join("typed.toml"), scenario).unwrap();
    let probe = format!("probe tls://localhost:{port} --cacert pki/ca.pem {pem} --cert-type p12");
    for command in ["run typed.toml", &probe] {
        let output = shakedown(dir.path())
            .args(command.split_whitespace())
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert_eq!(code(&output), 104, "{command}: {said}");
        assert!(said.contains("client-0.pem holds PEM text"), "{said}");
    }
}

#[test]
fn what_does_not_open_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, port) = served(dir.path());
    fs::write(dir.path().join("wrong"), "incorrect horse").unwrap();
    let cert = "--cert pki/client-0.pem --key";
    for (flags, words) in [
        (
            format!("{cert} aes.key"),
            "aes.key is encrypted; give its password with --pass-file",
        ),
        (
            format!("{cert} aes.key --pass-file wrong"),
            "the password does not open aes.key",
        ),
        (
            format!("{cert} der.key --pass-file wrong"),
            "the password does not open der.key",
        ),
        (
            format!("{cert} old-aes256.key --pass-file wrong"),
            "the password does not open old-aes256.key",
        ),
        (
            format!("{cert} aes.key --pass-file absent"),
            "cannot read absent",
        ),
        (
            format!("{cert} aes.key --pass-env UNSET_HERE"),
            "no variable UNSET_HERE",
        ),
        (
            "--cert modern.p12".to_owned(),
            "modern.p12 is a PKCS#12 archive under a password",
        ),
        (
            "--cert modern.p12 --pass-file wrong".to_owned(),
            "the password does not open modern.p12",
        ),
        ("--pass-file password".to_owned(), "--cert <FILE>"),
    ] {
        let output = load(dir.path(), port, &flags);
        let said = text(&output.stderr);
        assert!(said.contains(words), "{flags}: {said}");
        assert!(matches!(code(&output), 2 | 104), "{flags}");
        assert!(
            !said.contains(PASSWORD) && !said.contains("incorrect horse"),
            "{said}"
        );
    }
}
