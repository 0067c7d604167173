//! The manifests of `examples/kubernetes`: their values, not only their schema, and the commands in them, run as the
//! pods of the job would be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::process::{Running, code, serve_protocol, shakedown, text, went};
use common::{assert_accounted, only, pki_in, reasons};
use serde_json::{Value, json};
use shakedown::record::RunRecord;

const INDEX: &str = "JOB_COMPLETION_INDEX";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A program among the Python packages of the tests; `None`, aloud, where they are not installed and need not be.
fn python(program: &str) -> Option<Command> {
    let path = root().join("target/tools/venv/bin").join(program);
    let required = std::env::var_os("SHAKEDOWN_REQUIRE_SERVERS").is_some();
    assert!(
        path.is_file() || !required,
        "{} is not installed; run scripts/install-deps",
        path.display()
    );
    if !path.is_file() {
        eprintln!("skipped: {} is not installed", path.display());
        return None;
    }
    Some(Command::new(path))
}

fn done(mut command: Command) -> String {
    let output = command.output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{said}");
    said
}

/// A manifest as JSON.
fn manifest(name: &str) -> Option<Value> {
    let mut command = python("python3")?;
    let program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    command.args(["-c", program]);
    command.arg(root().join("examples/kubernetes").join(name));
    Some(serde_json::from_str(&done(command)).unwrap())
}

fn manifests() -> Option<[Value; 3]> {
    let all = ["job.yaml", "merge.yaml", "volume.yaml"].map(manifest);
    let [job, merge, volume] = all;
    Some([job?, merge?, volume?])
}

fn pod(job: &Value) -> &Value {
    &job["spec"]["template"]["spec"]
}

fn args(job: &Value) -> Vec<&str> {
    let args = pod(job)["containers"][0]["args"].as_array().unwrap();
    args.iter().map(|arg| arg.as_str().unwrap()).collect()
}

/// The value of a flag of a job's container.
fn flag<'a>(job: &'a Value, name: &str) -> &'a str {
    let values = args(job).into_iter().filter_map(|arg| {
        let (flag, value) = arg.split_once('=')?;
        (flag == name).then_some(value)
    });
    let values: Vec<_> = values.collect();
    assert_eq!(values.len(), 1, "{name}");
    values[0]
}

/// The arguments with the variables that Kubernetes puts in.
fn expanded(job: &Value) -> Vec<String> {
    let env = pod(job)["containers"][0]["env"].as_array();
    let mut args: Vec<String> = args(job).into_iter().map(str::to_owned).collect();
    for variable in env.into_iter().flatten() {
        let name = variable["name"].as_str().unwrap();
        let field = &variable["valueFrom"]["fieldRef"]["fieldPath"];
        assert_eq!(field, "metadata.labels['batch.kubernetes.io/job-name']");
        let value = job["metadata"]["name"].as_str().unwrap();
        for arg in &mut args {
            *arg = arg.replace(&format!("$({name})"), value);
        }
    }
    assert!(args.iter().all(|arg| !arg.contains('$')), "{args:?}");
    args
}

#[test]
fn manifests_are_what_kubernetes_takes() {
    for name in ["job.yaml", "merge.yaml", "volume.yaml"] {
        let Some(mut command) = python("kubernetes-validate") else {
            return;
        };
        command
            .args(["--strict", "--no-warn"])
            .arg(root().join("examples/kubernetes").join(name));
        done(command);
    }
}

#[test]
fn every_index_is_one_shard_that_starts_once() {
    let Some([job, merge, _]) = manifests() else {
        return;
    };
    let spec = &job["spec"];
    assert_eq!(spec["completionMode"], "Indexed");
    assert_eq!(spec["completions"], spec["parallelism"]);
    let shard = format!("auto/{}", spec["completions"]);
    assert_eq!(flag(&job, "--shard"), shard);
    assert_eq!(spec["backoffLimitPerIndex"], 0);
    assert_eq!(spec["podReplacementPolicy"], "Failed");
    // A failed index must not end the others.
    assert_eq!(spec["maxFailedIndexes"], Value::Null);
    assert_eq!(merge["spec"]["backoffLimit"], 0);
    for job in [&job, &merge] {
        assert_eq!(job["kind"], "Job");
        assert_eq!(pod(job)["restartPolicy"], "Never");
        assert!(job["spec"]["activeDeadlineSeconds"].is_u64());
    }
    // On nodes of their own.
    let rule = &pod(&job)["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        [0];
    assert_eq!(rule["topologyKey"], "kubernetes.io/hostname");
    assert_eq!(
        rule["labelSelector"]["matchLabels"],
        spec["template"]["metadata"]["labels"]
    );
}

#[test]
fn shards_meet_in_a_volume_that_all_nodes_share_in_a_folder_of_the_run() {
    let Some([job, merge, volume]) = manifests() else {
        return;
    };
    assert_eq!(volume["kind"], "PersistentVolumeClaim");
    assert_eq!(volume["spec"]["accessModes"], json!(["ReadWriteMany"]));
    for job in [&job, &merge] {
        let results = &pod(job)["volumes"][0];
        let claim = &results["persistentVolumeClaim"]["claimName"];
        assert_eq!(claim, &volume["metadata"]["name"]);
        let mount = &pod(job)["containers"][0]["volumeMounts"][0];
        assert_eq!(mount["name"], results["name"]);
        assert_eq!(mount["mountPath"], "/results");
        assert_eq!(mount["readOnly"], Value::Null);
    }
    // A name of a job is given once at a time, and a folder that was used is refused.
    let run = job["metadata"]["name"].as_str().unwrap();
    let folder = format!("/results/{run}");
    assert!(expanded(&job).contains(&format!("--together={folder}")));
    assert_eq!(args(&merge)[..2], ["merge", &folder]);
    assert!(flag(&merge, "--output").starts_with(&format!("{folder}/")));
    assert_eq!(merge["metadata"]["name"], format!("{run}-merge"));
}

#[test]
fn pods_have_whole_cores_their_certificates_and_no_rights() {
    let Some([job, merge, _]) = manifests() else {
        return;
    };
    for job in [&job, &merge] {
        let container = &pod(job)["containers"][0];
        let resources = &container["resources"];
        assert_eq!(resources["requests"], resources["limits"]);
        assert!(resources["limits"]["cpu"].is_u64());
        let security = &container["securityContext"];
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["capabilities"], json!({ "drop": ["ALL"] }));
        let security = &pod(job)["securityContext"];
        assert_eq!(security["runAsNonRoot"], true);
        let image = fs::read_to_string(root().join("examples/container/Containerfile")).unwrap();
        for (id, line) in [("runAsUser", "USER "), ("fsGroup", ":")] {
            assert!(image.contains(&format!("{line}{}", security[id])), "{id}");
        }
        assert_eq!(pod(job)["automountServiceAccountToken"], false);
    }
    let container = &pod(&job)["containers"][0];
    assert_eq!(
        flag(&job, "--workers"),
        container["resources"]["limits"]["cpu"].to_string()
    );
    let (certs, mount) = (&pod(&job)["volumes"][1], &container["volumeMounts"][1]);
    assert_eq!(certs["name"], mount["name"]);
    assert_eq!(mount["readOnly"], true);
    // For the group alone, as secrets belong to root and the group of the pod.
    assert_eq!(certs["secret"]["defaultMode"], 0o440);
    let folder = format!("{}/", mount["mountPath"].as_str().unwrap());
    for name in ["--cacert", "--cert", "--key"] {
        assert!(flag(&job, name).starts_with(&folder), "{name}");
    }
}

/// A job's command as a process, with the paths of its mounts in a folder, and other values for some flags.
fn command(dir: &Path, job: &Value, others: &[(&str, &str)]) -> Command {
    let args = expanded(job).into_iter().map(|arg| {
        for (from, to) in others {
            if arg.starts_with(from) {
                return (*to).to_owned();
            }
        }
        let mounted = |path: &str| format!("{}{path}", dir.display());
        match arg.split_once('=') {
            Some((flag, path)) if path.starts_with('/') => format!("{flag}={}", mounted(path)),
            None if arg.starts_with('/') => mounted(&arg),
            _ => arg,
        }
    });
    let mut command = shakedown(dir);
    command.args(args);
    command
}

#[test]
fn the_commands_of_all_pods_make_one_run() {
    let Some([job, merge, _]) = manifests() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    pki_in(&dir.join("pki"));
    let (_server, port) = serve_protocol(dir, "pki", "127.0.0.1:0", "http1");
    // As the secret has them.
    fs::create_dir(dir.join("certs")).unwrap();
    fs::create_dir(dir.join("results")).unwrap();
    for (from, to) in [
        ("ca.pem", "ca.pem"),
        ("client-0.pem", "client.pem"),
        ("client-0.key", "client.key"),
    ] {
        fs::copy(dir.join("pki").join(from), dir.join("certs").join(to)).unwrap();
    }
    let url = format!("https://localhost:{port}/");
    let others = [
        ("https://", url.as_str()),
        ("--rate=", "--rate=60/s"),
        ("--duration=", "--duration=1s"),
        ("--workers=", "--workers=1"),
    ];
    let shards = 0..job["spec"]["completions"].as_u64().unwrap();
    let shards = shards.map(|index| {
        let mut command = command(dir, &job, &others);
        command
            .args(["--warmup=0s", "--lead=1s", "--quiet"])
            .env(INDEX, index.to_string());
        Running::start(command)
    });
    let shards: Vec<_> = shards.collect();
    for shard in shards {
        let (code, out, err) = shard.wait_with_stderr();
        assert_eq!(code, 0, "{out}{err}");
    }
    let output = command(dir, &merge, &[]).output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(went(code(&output), &said), "{said}");
    let result = flag(&merge, "--output").trim_start_matches('/');
    let merged = fs::read(dir.join(result));
    let merged = merged.unwrap_or_else(|e| panic!("{e}: {said}"));
    let record: RunRecord = serde_json::from_slice(&merged).unwrap();
    assert_accounted(&record);
    assert!(!reasons(&record).contains(&"shards-missing"));
    let total = &only(&record).trials[0].total;
    assert_eq!((total.started, total.ok_total()), (60, 60));
}
