//! Finds a key: loads the module, finds the token, logs in, finds the object, and checks that the key is the
//! certificate's by a signature, which needs no public key in the token.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use rustls::sign::SigningKey;

use super::refused;
use super::sign::{Held, Kind, TokenKey};
use crate::pki::der::{parse, shown};
use crate::pki::unlock::{Password, first_line};
use crate::pki::{CertificateDer, PkiError, Spki};
use crate::scenario::TokenUri;

/// The variable that names a module where the URI does not, as OpenSSL's provider has it.
const MODULE_VARIABLE: &str = "PKCS11_MODULE_PATH";

/// Where distributions put modules.
const FOLDERS: [&str; 9] = [
    "/usr/lib/x86_64-linux-gnu/pkcs11",
    "/usr/lib/aarch64-linux-gnu/pkcs11",
    "/usr/lib64/pkcs11",
    "/usr/lib/pkcs11",
    "/usr/lib/softhsm",
    "/usr/lib64/softhsm",
    "/usr/local/lib/pkcs11",
    "/usr/local/lib/softhsm",
    "/opt/homebrew/lib/softhsm",
];

/// Most labels of tokens in a message.
const MOST_LABELS: usize = 8;

/// Modules stay loaded: each may be initialised once in a process, and none is unloaded under its sessions.
static MODULES: Mutex<Vec<(PathBuf, Pkcs11)>> = Mutex::new(Vec::new());

/// A URI, with what it says.
struct Wanted<'a> {
    /// As given.
    uri: &'a Path,
    said: TokenUri,
}

/// The key of a URI, which has signed for the first certificate of `chain`.
///
/// Fails if any part of the way to the key does, and if it is another certificate's.
pub(in crate::pki) fn open(
    uri: &Path,
    password: Password<'_>,
    (cert, chain): (&Path, &[CertificateDer<'static>]),
) -> Result<Arc<dyn SigningKey>, PkiError> {
    let said = TokenUri::parse(uri).map_err(|cause| {
        let (uri, _) = TokenUri::split_pin(uri);
        refused(
            &uri,
            cause,
            "write pkcs11:token=NAME;object=NAME?module-path=FILE (RFC 7512), and give the PIN with --pass-file, --pass-env or pin-source=file:…",
        )
    })?;
    let wanted = Wanted { uri, said };
    let leaf = chain.first().and_then(|leaf| parse(leaf).ok());
    let spki = leaf.as_ref().map_or(&[][..], |leaf| leaf.public_key().raw);
    let kind = Spki::parse(spki).and_then(|spki| Kind::of(&spki));
    let kind = kind.ok_or_else(|| {
        wanted.refused(
            format!(
                "the certificate in {} has a key of another kind",
                cert.display()
            ),
            "tokens sign here with RSA, ECDSA P-256, P-384 and P-521 keys",
        )
    })?;
    let module = wanted.module()?;
    let (slot, info) = wanted.slot(&module)?;
    let session = module
        .open_ro_session(slot)
        .map_err(|error| wanted.failed("opening a session", &error))?;
    wanted.log_in(&session, &info, password)?;
    let key = wanted.object(&session)?;
    let mismatch = || PkiError::KeyMismatch {
        cert: cert.to_owned(),
        key: uri.to_owned(),
        next: "give the certificate that was issued for this key, or the URI of its own".to_owned(),
    };
    if key_type(&session, key).is_some_and(|found| found != kind.key_type()) {
        return Err(mismatch());
    }
    let mechanisms = module
        .get_mechanism_list(slot)
        .map_err(|error| wanted.failed("listing mechanisms", &error))?;
    let schemes = kind.schemes(&mechanisms);
    let Some(first) = schemes.first() else {
        return Err(wanted.refused(
            "the token has no mechanism that signs a hash (CKM_ECDSA, CKM_RSA_PKCS_PSS, CKM_RSA_PKCS)",
            "use a token that has one",
        ));
    };
    let held = Held::new(module, slot, session, key);
    match held.proves(*first, spki) {
        Ok(true) => Ok(Arc::new(TokenKey::new(held, kind, schemes))),
        Ok(false) => Err(mismatch()),
        Err(cause) => Err(wanted.refused(
            format!("the token does not sign: {cause}"),
            "check that the key may sign, and that no PIN is asked for at each use",
        )),
    }
}

impl Wanted<'_> {
    fn refused(&self, cause: impl Into<String>, next: impl Into<String>) -> PkiError {
        refused(self.uri, cause, next)
    }

    fn failed(&self, what: &str, error: &Error) -> PkiError {
        self.refused(
            format!("{what} failed: {}", shown(&error.to_string())),
            "look at the token with `pkcs11-tool -L` or its own tool",
        )
    }

    fn module(&self) -> Result<Pkcs11, PkiError> {
        let path = self.module_path()?;
        let mut known = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, module)) = known.iter().find(|(of, _)| *of == path) {
            return Ok(module.clone());
        }
        let bad = |error: &Error| {
            self.refused(
                format!(
                    "the module {} does not load: {}",
                    path.display(),
                    shown(&error.to_string())
                ),
                "give the PKCS#11 library of the token as module-path=FILE in the URI",
            )
        };
        let module = Pkcs11::new(&path).map_err(|error| bad(&error))?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(bad(&error)),
        }
        known.push((path, module.clone()));
        Ok(module)
    }

    fn module_path(&self) -> Result<PathBuf, PkiError> {
        let (path, name) = (&self.said.module_path, &self.said.module_name);
        if let Some(file) = path.as_ref().filter(|path| !path.is_dir()) {
            return Ok(file.clone());
        }
        let Some(name) = name else {
            let variable = std::env::var_os(MODULE_VARIABLE).filter(|value| !value.is_empty());
            return variable.map(PathBuf::from).ok_or_else(|| {
                self.refused(
                    "nothing says which module reaches the token",
                    format!("give module-path=FILE in the URI, or set {MODULE_VARIABLE}"),
                )
            });
        };
        let usual = FOLDERS.map(PathBuf::from);
        let folders = path.as_ref().map_or(&usual[..], std::slice::from_ref);
        let names = [
            format!("{DLL_PREFIX}{name}{DLL_SUFFIX}"),
            format!("{name}{DLL_SUFFIX}"),
        ];
        let files = folders
            .iter()
            .flat_map(|folder| names.iter().map(|name| folder.join(name)));
        let found = files.into_iter().find(|file| file.is_file());
        found.ok_or_else(|| {
            let places: Vec<_> = folders.iter().map(|at| at.display().to_string()).collect();
            self.refused(
                format!(
                    "there is no module {} in {}",
                    shown(name),
                    places.join(", ")
                ),
                "give its file as module-path=FILE",
            )
        })
    }

    /// The one token that fits.
    fn slot(&self, module: &Pkcs11) -> Result<(Slot, TokenInfo), PkiError> {
        let slots = module
            .get_slots_with_token()
            .map_err(|error| self.failed("listing tokens", &error))?;
        let all = slots.into_iter().filter_map(|slot| {
            let info = module.get_token_info(slot).ok()?;
            info.token_initialized().then_some((slot, info))
        });
        let (mut fit, others): (Vec<_>, Vec<_>) =
            all.partition(|(slot, info)| self.fits(*slot, info));
        match (fit.pop(), fit.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(last), false) => {
                fit.push(last);
                Err(self.refused(
                    format!("{} tokens fit: {}", fit.len(), labels(&fit)),
                    "name one by token=, serial= or slot-id=",
                ))
            }
            (None, _) if others.is_empty() => Err(self.refused(
                "the module has no token",
                "plug it in, and check the module's configuration and its environment",
            )),
            (None, _) => Err(self.refused(
                format!("no token fits; there is {}", labels(&others)),
                "check token=, serial=, manufacturer=, model= and slot-id=",
            )),
        }
    }

    fn fits(&self, slot: Slot, info: &TokenInfo) -> bool {
        let said = &self.said;
        let same = |wanted: &Option<String>, found: &str| {
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted == found.trim_end())
        };
        same(&said.token, info.label())
            && same(&said.manufacturer, info.manufacturer_id())
            && same(&said.model, info.model())
            && same(&said.serial, info.serial_number())
            && said.slot_id.is_none_or(|id| id == slot.id())
    }

    fn log_in(
        &self,
        session: &Session,
        info: &TokenInfo,
        password: Password<'_>,
    ) -> Result<(), PkiError> {
        if !info.login_required() {
            return Ok(());
        }
        let given = match (password.get()?, &self.said.pin_source) {
            (None, Some(file)) => Some(first_line(file)?),
            (given, _) => given,
        };
        if given.is_none() && !info.protected_authentication_path() {
            return Err(self.refused(
                "the token wants a PIN",
                "give it with --pass-file or --pass-env (pass-file or pass-env of the identity in a scenario), or as pin-source=file:… in the URI",
            ));
        }
        let pin = given.map(|pin| AuthPin::from(pin.expose().to_owned()));
        match session.login(UserType::User, pin.as_ref()) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(
                RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange,
                _,
            )) => Err(self.refused(
                "the token refuses the PIN",
                "check it before the next try (of a file the first line counts): a token locks after a few wrong ones",
            )),
            Err(Error::Pkcs11(RvError::PinLocked, _)) => Err(self.refused(
                "the PIN is locked after wrong ones",
                "unlock it with the token's own tool",
            )),
            Err(error) => Err(self.failed("logging in", &error)),
        }
    }

    /// The one private key that fits.
    fn object(&self, session: &Session) -> Result<ObjectHandle, PkiError> {
        let mut wanted = vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
        let label = self.said.object.clone();
        wanted.extend(label.map(|label| Attribute::Label(label.into_bytes())));
        wanted.extend(self.said.id.clone().map(Attribute::Id));
        let found = session
            .find_objects(&wanted)
            .map_err(|error| self.failed("looking for the key", &error))?;
        match found[..] {
            [only] => Ok(only),
            [] => Err(self.refused(
                "the token has no such private key",
                "check object= and id=; `pkcs11-tool -O --login` lists what is there",
            )),
            _ => Err(self.refused(
                format!("{} private keys fit", found.len()),
                "name one by object= or id=",
            )),
        }
    }
}

fn key_type(session: &Session, key: ObjectHandle) -> Option<KeyType> {
    let attributes = session.get_attributes(key, &[AttributeType::KeyType]);
    match attributes.ok()?.first()? {
        Attribute::KeyType(found) => Some(*found),
        _ => None,
    }
}

/// The labels of tokens, for messages.
fn labels(tokens: &[(Slot, TokenInfo)]) -> String {
    let named = tokens.iter().take(MOST_LABELS);
    let mut labels: Vec<String> = named
        .map(|(slot, info)| format!("{:?} in slot {}", shown(info.label().trim_end()), slot.id()))
        .collect();
    if tokens.len() > MOST_LABELS {
        labels.push("others".to_owned());
    }
    labels.join(", ")
}
