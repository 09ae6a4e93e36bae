//! The cable between a browser and the server, which can be pulled out, be silent, and be plugged in again.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::net::{free_port, own_address};

const LOOK_EVERY: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Flowing,
    /// Nothing passes and nobody is told, as when packets are lost on the way.
    Silent,
    /// Connections break and new ones are refused, as when the server's machine cannot be reached.
    Cut,
    Ended,
}

struct Shared {
    to: SocketAddr,
    course: Mutex<Course>,
    changed: Condvar,
    ends: Mutex<Vec<TcpStream>>,
}

/// A TCP address that leads to another one as long as the cable is in.
pub(crate) struct Cable {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

impl Cable {
    /// Lays a cable that leads to `to`.
    pub(crate) fn to(to: SocketAddr) -> Self {
        let ip = own_address();
        let address = SocketAddr::from((ip, free_port(ip)));
        let listener = listen(address);
        let shared = Arc::new(Shared {
            to,
            course: Mutex::new(Course::Flowing),
            changed: Condvar::new(),
            ends: Mutex::default(),
        });
        let listening = Arc::clone(&shared);
        let listener = Some(std::thread::spawn(move || listening.accept(listener, address)));
        Self { address, shared, listener }
    }

    /// Where the near end is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks every connection and refuses new ones.
    pub(crate) fn cut(&self) {
        self.shared.turn(Course::Cut);
        self.shared.break_all();
    }

    /// Lets nothing pass from now on; what is sent meanwhile arrives when the cable is mended.
    pub(crate) fn silence(&self) {
        self.shared.turn(Course::Silent);
    }

    /// Lets everything pass again.
    pub(crate) fn mend(&self) {
        self.shared.turn(Course::Flowing);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.shared.turn(Course::Ended);
        self.shared.break_all();
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let listener = TcpListener::bind(address).expect("the cable's end is free");
    listener.set_nonblocking(true).expect("a listener can be asked without waiting");
    listener
}

impl Shared {
    fn turn(&self, course: Course) {
        *self.course.lock().expect("no panic") = course;
        self.changed.notify_all();
    }

    fn course(&self) -> Course {
        *self.course.lock().expect("no panic")
    }

    fn break_all(&self) {
        for end in self.ends.lock().expect("no panic").drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn accept(self: &Arc<Self>, listener: TcpListener, address: SocketAddr) {
        let mut listener = Some(listener);
        loop {
            match self.course() {
                Course::Ended => return,
                Course::Cut => listener = None,
                Course::Silent => {}
                Course::Flowing => {
                    let listener = listener.get_or_insert_with(|| listen(address));
                    if let Ok((near, _)) = listener.accept() {
                        self.join(near);
                        continue;
                    }
                }
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn join(self: &Arc<Self>, near: TcpStream) {
        let Ok(far) = TcpStream::connect(self.to) else { return };
        near.set_nonblocking(false).expect("a stream can wait");
        let copy = |end: &TcpStream| end.try_clone().expect("a second handle");
        self.ends.lock().expect("no panic").extend([copy(&near), copy(&far)]);
        for (from, to) in [(copy(&near), copy(&far)), (far, near)] {
            let shared = Arc::clone(self);
            std::thread::spawn(move || shared.carry(from, to));
        }
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16_384];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let course = self.course.lock().expect("no panic");
            let course = self.changed.wait_while(course, |course| *course == Course::Silent);
            let passes = *course.expect("no panic") == Course::Flowing;
            if !passes || to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}
