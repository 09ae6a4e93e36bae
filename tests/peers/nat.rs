//! A NAT of the kernel's between the server and everybody else, in network namespaces of the test's own.
//!
//! The server is inside, at [`INSIDE`]; the PBX, phones and customers are outside. Each inside port has one outside port, of
//! another number, whoever it speaks to; from outside only those come in by UDP to whom something was sent from there.
//! TCP is routed both ways, for the test's own requests.

use std::net::Ipv4Addr;
use std::process::Command;

use super::program::Program;

/// Where the server is.
pub(crate) const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// The first of the addresses outside.
pub(crate) const FIRST_OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

/// As whom it is seen outside.
pub(crate) const SEEN: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// The first of the ports by which it is seen.
pub(crate) const SEEN_PORTS_FROM: u16 = 40_000;

/// Set in the copy of a test that runs behind a NAT.
const TOLD: &str = "LINECARD_TEST_NAT";

const BUILD: &str = r#"set -e
mount -t tmpfs tmpfs /run
ip link set lo up
ip netns add router
ip netns add inside
ip link add out type veth peer name far netns router
ip -n router link add near type veth peer name in netns inside
ip addr add 198.51.100.2/24 dev out
for n in $(seq 3 60); do ip addr add 198.51.100.$n/32 dev out; done
ip link set out up
ip -n router link set lo up
ip -n router addr add 198.51.100.1/24 dev far
ip -n router link set far up
ip -n router addr add 10.77.0.1/24 dev near
ip -n router link set near up
ip -n inside link set lo up
ip -n inside addr add 10.77.0.2/24 dev in
ip -n inside link set in up
ip -n inside route add default via 10.77.0.1
ip route add 10.77.0.0/24 via 198.51.100.1
ip netns exec router sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
ip netns exec router iptables -t nat -A POSTROUTING -o far -p udp -j SNAT --to-source 198.51.100.1:40000-50000
ip netns exec router iptables -A INPUT -i far -p udp -j DROP
ip netns exec router iptables -A FORWARD -i far -p udp -m conntrack --ctstate NEW -j DROP
exec "$0" --exact "$1" --nocapture
"#;

/// Runs `story` behind a NAT. The test `name` (its whole path) runs itself again in namespaces of its own, so that nothing is
/// left, and needs no root where user namespaces are allowed.
pub(crate) fn behind_nat(name: &str, story: impl FnOnce()) {
    if is_built() {
        return story();
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "sh", "-c", BUILD])
        .arg(std::env::current_exe().expect("the test's own program"))
        .arg(name)
        .env(TOLD, "1")
        .output()
        .expect("this test needs `unshare` of the package util-linux");
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "in namespaces (util-linux, iproute2, iptables):\n{text}");
    assert!(text.contains("1 passed"), "the story was told:\n{text}");
}

/// Whether this process is behind the NAT.
pub(crate) fn is_built() -> bool {
    std::env::var_os(TOLD).is_some()
}

/// Lets a program run inside.
pub(crate) fn inside(program: Program) -> Program {
    if is_built() { program.in_namespace("inside") } else { program }
}
