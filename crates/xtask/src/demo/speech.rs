//! Real speech for the demonstration: espeak-ng speaks, sox makes it telephone sound.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::office::{AGENTS, CUSTOMERS, Person};

/// Where a person's speech lies.
pub(super) fn path(home: &Path, person: &Person) -> PathBuf {
    home.join("speech").join(format!("{}.wav", person.key()))
}

/// Makes the speech of everybody: 8000 Hz, mono, 16 bit, said over and over for minutes, for baresip ends a call
/// when its file ends.
pub(super) fn record_all(home: &Path) -> Result<()> {
    let directory = home.join("speech");
    std::fs::create_dir_all(&directory)?;
    for person in AGENTS.iter().chain(&CUSTOMERS) {
        let spoken = directory.join("spoken.wav").display().to_string();
        let voice = format!("ru+{}", person.voice);
        run("espeak-ng", &["-v", &voice, "-s", "150", "-w", &spoken, person.says])?;
        let said = path(home, person).display().to_string();
        let shape = ["-r", "8000", "-c", "1", "-b", "16"];
        run(
            "sox",
            &[&[spoken.as_str()], &shape[..], &[&said, "norm", "-6", "pad", "0.5", "2", "repeat", "30"]]
                .concat(),
        )?;
    }
    Ok(())
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {} {said}", arguments.join(" "), output.status);
    Ok(())
}
