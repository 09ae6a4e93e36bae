//! What every handler shares: the store, the door to the reactor, the settings, ids and the time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linecard_calls::{Id, IdSource, UserId, UtcMillis};
use linecard_crm::{Barring, DialPlan};
use linecard_store::Store;
use linecard_store::audit::{AuditAction, AuditEntry};
use tokio::sync::Semaphore;

use crate::dial::DialRate;
use crate::doctor::Doctor;
use crate::idempotency::InFlight;
use crate::line_check::Looking;
use crate::listens::Listens;
use crate::lockout::Lockout;
use crate::metrics::Traffic;
use crate::outline::{Outliner, READ_AT_ONCE};
use crate::phones::PhoneSettings;
use crate::port::{Audit, Doors, Reactor};
use crate::source::{Network, Source};

/// What the administrator configured, as far as handlers need it.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// The address under which browsers see the server.
    pub public_url: String,
    /// Further origins whose pages may use the interface.
    pub allowed_origins: Vec<String>,
    /// Proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// How numbers are read.
    pub dial_plan: DialPlan,
    /// Which numbers may be called.
    pub barring: Barring,
    /// How many calls a user may ask for within a minute.
    pub calls_per_minute: u32,
    /// Reads the outline of a recording.
    pub outliner: Outliner,
    /// The folder of the recordings.
    pub recording_dir: PathBuf,
    /// How telephones register at the server.
    pub phones: PhoneSettings,
    /// The epoch of the frames' numbering, the same as long as the process lives.
    pub epoch: String,
}

/// The shared state; cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// The database.
    pub store: Store,
    /// The door to the reactor.
    pub reactor: Reactor,
    /// The door to the audit.
    pub audit: Audit,
    /// The door to the doctor.
    pub(crate) doctor: Doctor,
    /// When it began.
    pub(crate) started_at: UtcMillis,
    /// What was configured.
    pub settings: Arc<WebSettings>,
    /// The requests with an `Idempotency-Key` that are being done.
    pub(crate) in_flight: InFlight,
    pub(crate) traffic: Arc<Traffic>,
    /// Those for whom the doctor looks at an account.
    pub(crate) looking: Looking,
    pub(crate) outlines: Arc<Semaphore>,
    lockout: Arc<Mutex<Lockout>>,
    dial_rate: Arc<Mutex<DialRate>>,
    listens: Arc<Mutex<Listens>>,
    ids: Arc<Mutex<IdSource>>,
    clock: fn() -> UtcMillis,
}

impl App {
    /// Puts the parts together; `ids` is seeded from the system's randomness, `clock` tells the wall clock's time.
    #[must_use]
    pub fn new(
        store: Store,
        doors: Doors,
        settings: WebSettings,
        ids: IdSource,
        clock: fn() -> UtcMillis,
    ) -> Self {
        let (settings, ids) = (Arc::new(settings), Arc::new(Mutex::new(ids)));
        let (in_flight, looking) = (InFlight::default(), Looking::default());
        let (traffic, lockout, listens) = (Arc::default(), Arc::default(), Arc::default());
        let (dial_rate, outlines) = (Arc::default(), Arc::new(Semaphore::new(READ_AT_ONCE)));
        let Doors { reactor, audit, doctor } = doors;
        Self {
            store,
            reactor,
            audit,
            doctor,
            started_at: clock(),
            settings,
            in_flight,
            traffic,
            looking,
            outlines,
            lockout,
            dial_rate,
            listens,
            ids,
            clock,
        }
    }

    /// Makes an id of any kind.
    pub(crate) fn make_id<T: Id>(&self) -> T {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).make(self.now())
    }

    /// Returns the time.
    pub(crate) fn now(&self) -> UtcMillis {
        (self.clock)()
    }

    /// Returns the count of failed log-ins.
    pub(crate) fn lockout(&self) -> MutexGuard<'_, Lockout> {
        self.lockout.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the count of calls that users have asked for.
    pub(crate) fn dial_rate(&self) -> MutexGuard<'_, DialRate> {
        self.dial_rate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns who listens to what.
    pub(crate) fn listens(&self) -> MutexGuard<'_, Listens> {
        self.listens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what somebody did.
    pub(crate) async fn audit(
        &self,
        action: AuditAction,
        user_id: Option<UserId>,
        subject: Option<String>,
        source: Source,
    ) {
        let (id, at, source) = (self.make_id(), self.now(), source.address);
        self.audit.add(AuditEntry { id, at, action, user_id, subject, source }).await;
    }

    /// Tells whether pages of `origin` may use the interface; `host` is the request's own Host.
    pub(crate) fn allows_origin(&self, origin: &str, host: Option<&str>) -> bool {
        let own = self.settings.public_url.trim_end_matches('/');
        let same_host = || {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some() && authority == host
        };
        origin == own || self.settings.allowed_origins.iter().any(|allowed| allowed == origin) || same_host()
    }
}
