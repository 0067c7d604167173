//! What writing leaves on disk, with which modes, and what it refuses to overwrite or to leave behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Identity, KeyAlgorithm, Pki, PkiSpec, load_crls, load_roots};

fn pki(clients: usize) -> Pki {
    Pki::mint(&PkiSpec {
        clients,
        ..PkiSpec::default()
    })
    .unwrap()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn files_are_named_and_keys_are_private() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("new/pki");
    let written = pki(1).write(&dir, false).unwrap();
    let names: Vec<_> = written
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "ca.pem",
            "root.pem",
            "root.key",
            "intermediate.pem",
            "intermediate.key",
            "server.pem",
            "server.key",
            "client-0.pem",
            "client-0.key"
        ]
    );
    assert_eq!(mode(&dir), 0o700);
    for path in written
        .iter()
        .filter(|path| path.extension().unwrap() == "key")
    {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
    assert_eq!(
        fs::read_dir(&dir).unwrap().count(),
        names.len(),
        "temporary files are left"
    );
    assert_eq!(load_roots(&dir.join("ca.pem")).unwrap().len(), 1);
}

#[test]
fn existing_files_are_kept_unless_forced() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    pki(1).write(dir, false).unwrap();
    let before = fs::read(dir.join("server.key")).unwrap();
    fs::remove_file(dir.join("ca.pem")).unwrap();
    let error = pki(1).write(dir, false).unwrap_err().to_string();
    let first = dir.join("root.pem");
    assert_eq!(
        error,
        format!(
            "{} exists already; give another directory, or --force to overwrite",
            first.display()
        )
    );
    assert_eq!(fs::read(dir.join("server.key")).unwrap(), before);
    assert!(!dir.join("ca.pem").exists(), "a refusal wrote something");
    pki(2).write(dir, true).unwrap();
    assert_ne!(fs::read(dir.join("server.key")).unwrap(), before);
}

#[test]
fn clients_of_a_larger_set_are_not_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    pki(3).write(dir, false).unwrap();
    fs::write(dir.join("client-notes.pem"), "not ours").unwrap();
    let error = pki(1).write(dir, true).unwrap_err().to_string();
    let first = dir.join("client-1.key");
    assert!(
        error.starts_with(&format!("{} is left from an earlier set", first.display())),
        "{error}"
    );
}

#[test]
fn faults_and_revocation_lists_lie_beside_the_good() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("pki");
    let pki = pki(1);
    let faults = pki.mint_faults().unwrap();
    let written = pki.write_with_faults(&faults, &dir, false).unwrap();
    assert_eq!(written.len(), 9 + 1 + 2 * (16 + 17));
    assert_eq!(mode(&dir.join("faults")), 0o700);
    assert_eq!(load_crls(&dir.join("crl.pem")).unwrap(), faults.crls());
    for (_, identity) in faults.clients().chain(faults.servers()) {
        let at = |suffix| dir.join(format!("faults/{}.{suffix}", identity.name));
        assert_eq!(mode(&at("key")), 0o600);
        let loaded = Identity::load(&at("pem"), Some(&at("key"))).unwrap();
        assert_eq!(loaded.chain, identity.chain);
        assert_eq!(loaded.key.der(), identity.key.der());
    }
    let refused = pki.write_with_faults(&faults, &dir, false).unwrap_err();
    assert!(refused.to_string().contains("exists already"), "{refused}");
    pki.write_with_faults(&faults, &dir, true).unwrap();
}

#[test]
fn faults_of_another_set_are_not_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let set = pki(1);
    let faults = set.mint_faults().unwrap();
    set.write_with_faults(&faults, dir, false).unwrap();
    let stale = |name: &str| {
        let error = pki(1).write(dir, true).unwrap_err().to_string();
        let path = dir.join(name);
        assert!(
            error.starts_with(&format!("{} is left from an earlier set", path.display())),
            "{error}"
        );
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    };
    stale("faults");
    stale("crl.pem");
    pki(1).write(dir, true).unwrap();
    set.write_with_faults(&faults, dir, true).unwrap();
    fs::write(dir.join("faults/client-of-old.pem"), "").unwrap();
    let error = set.write_with_faults(&faults, dir, true).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("faults/client-of-old.pem is left")
    );
}

#[test]
fn every_algorithm_survives_the_disk() {
    for algorithm in KeyAlgorithm::ALL {
        let spec = PkiSpec {
            client_key: algorithm,
            ..PkiSpec::default()
        };
        let pki = Pki::mint(&spec).unwrap();
        let dir = tempfile::tempdir().unwrap();
        pki.write(dir.path(), false).unwrap();
        let (cert, key) = (
            dir.path().join("client-0.pem"),
            dir.path().join("client-0.key"),
        );
        let loaded = Identity::load(&cert, Some(&key)).unwrap();
        assert_eq!(loaded.name, "client-0");
        assert_eq!(loaded.chain, pki.clients()[0].chain);
        assert_eq!(loaded.key.der(), pki.clients()[0].key.der());
    }
}

#[test]
fn clients_of_every_algorithm_are_minted_as_they_are_written() {
    for key in KeyAlgorithm::ALL {
        let spec = PkiSpec {
            ca_key: key,
            server_key: key,
            client_key: key,
            clients: 0,
            ..PkiSpec::default()
        };
        let dir = tempfile::tempdir().unwrap();
        let mut seen = 0;
        let pki = Pki::mint(&spec).unwrap();
        let written = pki.write_clients(2, None, dir.path(), false, &mut |files| seen = files);
        assert_eq!(written.unwrap().len(), seen, "{key}");
        let [one, other] = [0, 1].map(|index| {
            let at = |end| dir.path().join(format!("client-{index}.{end}"));
            Identity::load(&at("pem"), Some(&at("key"))).unwrap()
        });
        assert_ne!(one.chain[0], other.chain[0], "{key}");
        assert_eq!(one.chain[1..], pki.server().chain[1..], "{key}");
    }
}
