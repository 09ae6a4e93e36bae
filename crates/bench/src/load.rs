//! The load's one thread: the PBX's socket, the sockets of the sound, and nothing between them and the clock.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, Socket, Type};

use crate::figures::Spread;
use crate::pbx::{Course, End, Pbx, Speak};
use crate::sound::Sound;

/// How long the thread sleeps between two looks at the clock: packets leave within it of their time.
const STEP: Duration = Duration::from_millis(1);

/// How late the load may be, p99, for figures to be of the server and not of the load.
const LATE_MAX_MS: f64 = 3.0;

/// Whether a load that was so late leaves figures that are of the server.
#[must_use]
pub fn is_fit(late: &Spread) -> bool {
    late.p99_ms < LATE_MAX_MS
}

/// A call that is to begin.
#[derive(Debug, Clone)]
pub struct Planned {
    /// When.
    pub at: Instant,
    /// For whom.
    pub agent: usize,
    /// Who calls.
    pub number: String,
    /// How it goes.
    pub course: Course,
}

/// The load.
pub struct Load {
    /// The PBX.
    pub pbx: Pbx,
    /// The sound.
    pub sound: Sound,
    socket: UdpSocket,
    server: SocketAddr,
    planned: std::collections::VecDeque<Planned>,
    /// How long after their time calls began.
    late_us: Vec<u32>,
}

impl Load {
    /// Opens a PBX on `ip` for a server whose SIP socket is known.
    ///
    /// # Errors
    /// When the system has no sockets to give.
    pub fn open(ip: Ipv4Addr, server: SocketAddr) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(4 << 20)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((ip, 0)).into())?;
        let socket: UdpSocket = socket.into();
        let pbx = Pbx::new(socket.local_addr()?);
        Ok(Self {
            pbx,
            sound: Sound::open(ip)?,
            socket,
            server,
            planned: std::collections::VecDeque::new(),
            late_us: Vec::new(),
        })
    }

    /// Where the PBX is.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Plans calls; they begin while the load runs, in the order of the list.
    pub fn plan(&mut self, calls: impl IntoIterator<Item = Planned>) {
        self.planned.extend(calls);
    }

    /// Gives how long after their time the calls began that were planned since this was last asked.
    pub fn take_late(&mut self) -> Spread {
        Spread::of(std::mem::take(&mut self.late_us))
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// When the system fails.
    pub fn run_for(&mut self, time: Duration) -> Result<()> {
        self.run_until(Instant::now() + time, |_| false)
    }

    /// Lets time pass until something holds.
    ///
    /// # Errors
    /// When it does not hold in time; `what` names it.
    pub fn wait_for(&mut self, what: &str, within: Duration, holds: impl Fn(&Self) -> bool) -> Result<()> {
        self.run_until(Instant::now() + within, &holds)?;
        ensure!(holds(self), "{what}: not within {} s", within.as_secs());
        Ok(())
    }

    fn run_until(&mut self, until: Instant, holds: impl Fn(&Self) -> bool) -> Result<()> {
        loop {
            let now = Instant::now();
            if now >= until || holds(self) {
                return Ok(());
            }
            self.begin_planned(now)?;
            self.sound.send_due(now);
            self.sound.receive();
            self.receive()?;
            self.pbx.tick(Instant::now());
            self.obey()?;
            // From now on: what comes cuts sleeps short, and steps that were counted up would run ahead of the time.
            self.sleep_until(now + STEP)?;
        }
    }

    fn begin_planned(&mut self, now: Instant) -> Result<()> {
        while self.planned.front().is_some_and(|planned| planned.at <= now) {
            let Some(planned) = self.planned.pop_front() else { break };
            let listens = self.sound.address(self.pbx.count() * 2);
            let Planned { at, agent, number, course } = planned;
            let late = Instant::now().saturating_duration_since(at);
            self.late_us.push(u32::try_from(late.as_micros()).unwrap_or(u32::MAX));
            let begun = self.pbx.call(agent, &number, course, listens, Instant::now());
            begun.with_context(|| format!("the line of agent {agent} has not registered"))?;
            self.obey()?;
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<()> {
        let mut buffer = [0_u8; 8_192];
        while let Ok((len, _)) = self.socket.recv_from(&mut buffer) {
            let (now, sound) = (Instant::now(), &self.sound);
            let datagram = buffer.get(..len).unwrap_or_default();
            self.pbx.receive(datagram, |call| sound.address(call * 2 + 1), now);
            self.obey()?;
        }
        Ok(())
    }

    /// Sends what the PBX has to say and lets those speak who may.
    fn obey(&mut self) -> Result<()> {
        let (datagrams, speaking) = self.pbx.drain();
        for datagram in datagrams {
            self.socket.send_to(&datagram, self.server)?;
        }
        let stream_of = |call: usize, end: End| call * 2 + usize::from(end == End::Agent);
        for Speak { call, end, to } in speaking {
            self.sound.speak(stream_of(call, end), to, Instant::now());
        }
        for (call, end) in self.pbx.take_silent() {
            self.sound.hush(stream_of(call, end));
        }
        Ok(())
    }

    /// Sleeps until a moment, or until something comes.
    fn sleep_until(&self, until: Instant) -> Result<()> {
        let rest = until.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Ok(());
        }
        let mut sockets: Vec<PollFd<'_>> = self
            .sound
            .sockets()
            .iter()
            .chain([&self.socket])
            .map(|it| PollFd::new(it, PollFlags::IN))
            .collect();
        let wait = Timespec { tv_sec: 0, tv_nsec: rest.subsec_nanos().into() };
        match poll(&mut sockets, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the sound and hangs up every call that still talks.
    pub fn hang_up_all(&mut self) -> Result<()> {
        for call in 0..self.pbx.count() {
            self.sound.hush(call * 2);
            self.sound.hush(call * 2 + 1);
            self.pbx.hang_up(call);
        }
        self.obey()
    }
}
