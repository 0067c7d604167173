//! Private keys in a PKCS#11 token, made by `softhsm2-util` in a folder of the test.

#![cfg(feature = "pkcs11")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::installed::installed;
use common::process::{Running, code, serve, shakedown, text};
use common::{assert_accounted, only, pki_in, total};
use shakedown::pki::{KeyAlgorithm, Pki, PkiSpec};
use shakedown::record::RunRecord;
use shakedown::stats::TokenCounts;

/// Too short to be found in other text: what keeps it out has to know its places.
const PIN: &str = "pI&n7";
const ESCAPED_PIN: &str = "pI%26n7";

/// The library of `softhsm2-util`.
fn module() -> Option<PathBuf> {
    let folders = [
        "/usr/lib/softhsm",
        "/usr/lib64/softhsm",
        "/usr/local/lib/softhsm",
        "/usr/lib64/pkcs11",
    ];
    let files = folders.map(|folder| Path::new(folder).join("libsofthsm2.so"));
    files.into_iter().find(|file| file.is_file())
}

/// A folder with a certificate authority, its clients, and a token with their keys.
struct Hsm {
    dir: tempfile::TempDir,
    module: PathBuf,
}

impl Hsm {
    /// `None`, said aloud, where `softhsm2-util` is missing and may be.
    fn new(key: KeyAlgorithm) -> Option<Self> {
        if !installed("softhsm2-util") {
            return None;
        }
        let module = module().expect("softhsm2-util without its library");
        let dir = tempfile::tempdir().unwrap();
        let hsm = Self { dir, module };
        let spec = PkiSpec {
            client_key: key,
            clients: 2,
            ..PkiSpec::default()
        };
        let pki = Pki::mint(&spec).unwrap();
        pki.write(&hsm.path().join("pki"), false).unwrap();
        fs::create_dir(hsm.path().join("tokens")).unwrap();
        let at = |name: &str| hsm.path().join(name);
        let conf = format!("directories.tokendir = {}\n", at("tokens").display());
        fs::write(at("softhsm2.conf"), conf).unwrap();
        fs::write(at("pin"), format!("{PIN}\nnot this line\n")).unwrap();
        hsm.util(&[
            "--init-token",
            "--free",
            "--label",
            "my token",
            "--so-pin",
            "12345678",
        ]);
        for (client, id) in [("client-0", "00ff"), ("client-1", "01")] {
            let key = format!("pki/{client}.key");
            hsm.util(&[
                "--import", &key, "--token", "my token", "--label", client, "--id", id,
            ]);
        }
        Some(hsm)
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn util(&self, args: &[&str]) {
        let output = Command::new("softhsm2-util")
            .current_dir(self.path())
            .env("SOFTHSM2_CONF", self.path().join("softhsm2.conf"))
            .args(args)
            .args(["--pin", PIN])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{args:?}: {}",
            text(&output.stderr)
        );
    }

    /// A command whose environment has the token and its module.
    fn shakedown(&self) -> Command {
        let mut command = shakedown(self.path());
        command
            .env("SOFTHSM2_CONF", self.path().join("softhsm2.conf"))
            .env("PKCS11_MODULE_PATH", &self.module)
            .env("TOKEN_PIN", PIN);
        command
    }

    /// Some sessions with the first client's certificate, whose result is written.
    fn load(&self, port: u16, key: &str, flags: &str) -> Output {
        let _ = fs::remove_file(self.path().join("out.json"));
        self.shakedown()
            .args(["run", &format!("tls://localhost:{port}")])
            .args("--cacert pki/ca.pem --protocol echo -n 6 -c 2 -o out.json".split(' '))
            .args(["--cert", "pki/client-0.pem", "--key", key])
            .args(flags.split_whitespace())
            .output()
            .unwrap()
    }

    /// Fails to load, with an error that has these words and not the PIN.
    fn refused(&self, key: &str, flags: &str, words: &[&str]) {
        let output = self.load(9, key, flags);
        let said = text(&output.stderr);
        assert_eq!(code(&output), 104, "{key}: {said}");
        for word in words {
            assert!(said.contains(word), "{key}: no {word:?} in {said}");
        }
        assert!(!self.path().join("out.json").exists(), "{key}");
        without_pin(key, &output, "");
    }

    fn serve(&self) -> (Running, u16) {
        serve(self.path(), "pki", "127.0.0.1:0")
    }
}

fn without_pin(what: &str, output: &Output, result: &str) {
    for place in [&text(&output.stdout), &text(&output.stderr), result] {
        for secret in [PIN, ESCAPED_PIN, "pI\\u0026n7"] {
            assert!(!place.contains(secret), "{what}: {place}");
        }
    }
}

/// What the token did in one run of 6 sessions, all confirmed.
fn signed(hsm: &Hsm, what: &str, output: &Output) -> (RunRecord, TokenCounts) {
    let said = text(&output.stderr);
    let result = fs::read_to_string(hsm.path().join("out.json"))
        .unwrap_or_else(|_| panic!("{what}: {said}"));
    without_pin(what, output, &result);
    let record: RunRecord = serde_json::from_str(&result).unwrap();
    assert_accounted(&record);
    assert_eq!(total(&record).ok_total(), 6, "{what}: {said}");
    let counts = only(&record).trials[0].token.unwrap();
    (record, counts)
}

#[test]
fn keys_in_a_token_sign_for_both_versions_and_their_time_is_counted() {
    for (key, schemes) in [
        (KeyAlgorithm::EcdsaP256, ["ecdsa_secp256r1_sha256"; 2]),
        (KeyAlgorithm::EcdsaP384, ["ecdsa_secp384r1_sha384"; 2]),
        (KeyAlgorithm::Rsa2048, ["rsa_pss_rsae_sha256"; 2]),
    ] {
        let Some(hsm) = Hsm::new(key) else { return };
        let (_server, port) = hsm.serve();
        let uri = "pkcs11:token=my%20token;object=client-0;type=private";
        for (version, scheme) in ["--tls-max 1.2", "--tlsv1.3"].into_iter().zip(schemes) {
            let flags = format!("--pass-file pin {version}");
            let output = hsm.load(port, uri, &flags);
            let what = format!("{key} {version}");
            let (record, counts) = signed(&hsm, &what, &output);
            assert_eq!((counts.signatures, counts.failed), (6, 0), "{what}");
            assert!(counts.longest_sign_ns > 0 && counts.longest_sign_ns <= counts.sign_ns);
            let observed = &only(&record).trials[0].observed;
            assert!(
                observed.iter().all(|seen| seen.client_signature == scheme),
                "{what}: {observed:?}"
            );
            let shown = text(&output.stdout);
            assert!(shown.contains("6 signatures, in "), "{what}: {shown}");
        }
    }
}

#[test]
fn every_way_to_module_token_key_and_pin_works() {
    let Some(hsm) = Hsm::new(KeyAlgorithm::EcdsaP256) else {
        return;
    };
    let (_server, port) = hsm.serve();
    let (module, dir) = (hsm.module.display(), hsm.path().display());
    let folder = hsm.module.parent().unwrap().display();
    for (key, flags) in [
        (
            "pkcs11:token=my%20token;id=%00%FF".to_owned(),
            "--pass-env TOKEN_PIN",
        ),
        (
            format!("pkcs11:object=client-0?module-path={module}&pin-source=file:{dir}/pin"),
            "",
        ),
        (
            format!("pkcs11:object=client-0?module-path={folder}&module-name=softhsm2"),
            "--pass-file pin",
        ),
        (
            format!("pkcs11:object=client-0?pin-value={ESCAPED_PIN}"),
            "",
        ),
        (
            format!("pkcs11:pin-value={ESCAPED_PIN};object=client-0"),
            "",
        ),
    ] {
        let output = hsm.load(port, &key, flags);
        signed(&hsm, &key, &output);
        let warned = text(&output.stderr).contains("can read the PIN in --key");
        assert_eq!(warned, key.contains("pin-value"), "{key}");
    }
    let scenario = format!(
        "version = 1\nname = \"token\"\n[target]\nurl = \"tls://localhost:{port}\"\n[protocol]\nkind = \"echo\"\n\
         [tls]\ncacert = \"pki/ca.pem\"\n[load]\nsessions = 2\ntotal = 6\n[[identities]]\nname = \"in-token\"\n\
         cert = \"pki/client-0.pem\"\nkey = \"pkcs11:object=client-0\"\npass-file = \"pin\"\n"
    );
    fs::write(hsm.path().join("token.toml"), scenario).unwrap();
    let _ = fs::remove_file(hsm.path().join("out.json"));
    let elsewhere = tempfile::tempdir().unwrap();
    let output = hsm
        .shakedown()
        .current_dir(elsewhere.path())
        .arg("run")
        .arg(hsm.path().join("token.toml"))
        .arg("-o")
        .arg(hsm.path().join("out.json"))
        .output()
        .unwrap();
    signed(&hsm, "a scenario", &output);
    let output = hsm
        .shakedown()
        .args([
            "probe",
            &format!("tls://localhost:{port}"),
            "--cacert",
            "pki/ca.pem",
        ])
        .args([
            "--cert",
            "pki/client-0.pem",
            "--key",
            "pkcs11:object=client-0",
        ])
        .args(["--pass-file", "pin"])
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
}

#[test]
fn what_stands_between_us_and_the_key_is_named() {
    let Some(hsm) = Hsm::new(KeyAlgorithm::EcdsaP256) else {
        return;
    };
    let at = |name: &str| hsm.path().join(name).display().to_string();
    fs::write(at("wrong"), "9999\n").unwrap();
    fs::write(at("junk.so"), "no library").unwrap();
    let pin = "--pass-file pin";
    let key = "pkcs11:token=my%20token;object=client-0";
    hsm.refused(key, "--pass-file wrong", &[key, "refuses the PIN", "locks"]);
    hsm.refused(key, "", &["the token wants a PIN", "--pass-file"]);
    hsm.refused(key, "--pass-file none", &["none"]);
    hsm.refused(
        "pkcs11:object=client-9",
        pin,
        &["no such private key", "object="],
    );
    hsm.refused(
        "pkcs11:token=my%20token",
        pin,
        &["2 private keys fit", "id="],
    );
    let other = "pkcs11:token=other;object=client-0";
    hsm.refused(other, pin, &["no token fits", "\"my token\"", "token="]);
    let missing = format!("{key}?module-path={}", at("missing.so"));
    hsm.refused(&missing, pin, &["missing.so does not load", "module-path"]);
    let junk = format!("{key}?module-path={}", at("junk.so"));
    hsm.refused(&junk, pin, &["junk.so does not load"]);
    let named = format!("{key}?module-name=none");
    hsm.refused(&named, pin, &["no module none in /usr/lib"]);
    let of_another = "pkcs11:object=client-1";
    hsm.refused(
        of_another,
        pin,
        &[of_another, "pki/client-0.pem", "does not match"],
    );
    hsm.refused(
        "pkcs11:colour=red",
        pin,
        &["identity.key", "colour is not read here"],
    );
    let twice = format!("{key}?pin-value={ESCAPED_PIN}&pin-value={ESCAPED_PIN}");
    hsm.refused(&twice, "", &["it holds a PIN", "--pass-file"]);
    let output = hsm
        .shakedown()
        .env_remove("PKCS11_MODULE_PATH")
        .args([
            "probe",
            "tls://localhost:9",
            "--cert",
            "pki/client-0.pem",
            "--key",
            key,
        ])
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(code(&output), 104, "{said}");
    assert!(said.contains("set PKCS11_MODULE_PATH"), "{said}");
}

#[test]
fn a_scenario_holds_no_pin() {
    let dir = tempfile::tempdir().unwrap();
    pki_in(&dir.path().join("pki"));
    let scenario = format!(
        "version = 1\nname = \"token\"\n[target]\nurl = \"tls://localhost:9\"\n[tls]\ncacert = \"pki/ca.pem\"\n\
         [load]\ntotal = 1\n[identity]\ncert = \"pki/client-0.pem\"\nkey = \"pkcs11:object=a?pin-value={ESCAPED_PIN}\"\n"
    );
    fs::write(dir.path().join("token.toml"), scenario).unwrap();
    let output = shakedown(dir.path())
        .args(["run", "token.toml"])
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(code(&output), 104, "{said}");
    assert!(
        said.contains("identity.key") && said.contains("pass-file"),
        "{said}"
    );
    without_pin("a scenario", &output, "");
}
