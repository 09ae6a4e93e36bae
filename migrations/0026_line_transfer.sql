-- Who connects a customer that is handed over at once: this server, or the line's PBX when it is asked by REFER.
ALTER TABLE lines ADD COLUMN transfer TEXT NOT NULL DEFAULT 'here';
