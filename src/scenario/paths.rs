//! The files that a scenario names: relative to the folder of the scenario, and there or not.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::ScenarioError;
use super::{IdentityFiles, Scenario, TokenUri};

/// A path of a scenario with the key it stands under; places in lists are counted from 0.
type Named<P> = (Vec<String>, P);

impl Scenario {
    /// Every path, with its key; a key in a token has none.
    fn paths_mut(&mut self) -> Vec<Named<&mut PathBuf>> {
        let key = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut all = Vec::new();
        let tls = &mut self.tls;
        all.extend(tls.cacert.iter_mut().map(|p| (key(&["tls", "cacert"]), p)));
        all.extend(tls.crl.iter_mut().map(|p| (key(&["tls", "crl"]), p)));
        if let Some(IdentityFiles {
            cert,
            key: private,
            pass_file,
            ..
        }) = &mut self.identity
        {
            let password = pass_file.iter_mut();
            all.extend(password.map(|p| (key(&["identity", "pass-file"]), p)));
            all.push((key(&["identity", "cert"]), cert));
            all.extend(private.iter_mut().map(|p| (key(&["identity", "key"]), p)));
        }
        let way = &mut self.way_in;
        let (unix, user) = (way.unix_socket.iter_mut(), way.proxy_user_file.iter_mut());
        all.extend(unix.map(|p| (key(&["way-in", "unix-socket"]), p)));
        all.extend(user.map(|p| (key(&["way-in", "proxy-user-file"]), p)));
        let data = self.protocol.data_file.iter_mut();
        all.extend(data.map(|p| (key(&["protocol", "data-file"]), p)));
        for (index, identity) in self.identities.iter_mut().enumerate() {
            let at = index.to_string();
            let (cert, private) = (&mut identity.cert, &mut identity.key);
            let password = identity.pass_file.iter_mut();
            all.extend(password.map(|p| (key(&["identities", &at, "pass-file"]), p)));
            all.extend(
                cert.iter_mut()
                    .map(|p| (key(&["identities", &at, "cert"]), p)),
            );
            all.extend(
                private
                    .iter_mut()
                    .map(|p| (key(&["identities", &at, "key"]), p)),
            );
        }
        if let Some(fleet) = &mut self.fleet {
            let (files, manifest) = (fleet.files.iter_mut(), fleet.manifest.iter_mut());
            all.extend(files.map(|p| (key(&["fleet", "files"]), p)));
            all.extend(manifest.map(|p| (key(&["fleet", "manifest"]), p)));
            let minted = fleet.mint.iter_mut();
            let authority =
                minted.flat_map(|mint| [("ca", &mut mint.ca), ("ca-key", &mut mint.ca_key)]);
            all.extend(authority.flat_map(|(name, path)| {
                path.iter_mut()
                    .map(move |p| (key(&["fleet", "mint", name]), p))
            }));
        }
        for (index, event) in self.events.iter_mut().enumerate() {
            let at = index.to_string();
            let files = [
                ("crl", &mut event.crl),
                ("ca", &mut event.ca),
                ("ca-key", &mut event.ca_key),
            ];
            for (name, path) in files {
                all.extend(path.iter_mut().map(|p| (key(&["events", &at, name]), p)));
            }
        }
        all.retain(|(_, path)| !TokenUri::is(path));
        all
    }

    /// Makes every relative path one of `folder`.
    pub(super) fn locate_in(
        &mut self,
        folder: &Path,
        (name, text): (&str, &str),
    ) -> Result<(), ScenarioError> {
        for (key, path) in self.paths_mut() {
            if path.starts_with("~") || path.to_string_lossy().starts_with('~') {
                return Err(ScenarioError::at_key(
                    (name, text),
                    &key,
                    "`~` is not expanded in a file: shells do that, for arguments",
                    "write ${HOME}/… or the whole path",
                ));
            }
            *path = folder.join(&*path);
        }
        Ok(())
    }

    /// The files it names that cannot be read, each with its key and line in `text`.
    pub fn unreadable(&self, name: &str, text: &str) -> Vec<ScenarioError> {
        let mut copy = self.clone();
        let all = copy.paths_mut().into_iter();
        let wrong = all.filter_map(|(key, path)| {
            let last = key.last().map_or("", String::as_str);
            let of_event = key.first().is_some_and(|section| section == "events");
            if ["unix-socket", "files"].contains(&last) || (of_event && last == "crl") {
                // One is connected to, one may be a folder or a pattern, one is written.
                return None;
            }
            let opened = File::open(&*path).and_then(|file| file.metadata());
            let cause = match opened {
                Ok(found) if found.is_dir() => "it is a folder".to_owned(),
                Ok(_) => return None,
                Err(error) => error.to_string(),
            };
            Some(ScenarioError::at_key(
                (name, text),
                &key,
                format!("cannot read {}: {cause}", path.display()),
                "paths in a scenario are relative to its folder",
            ))
        });
        wrong.collect()
    }
}
