// Telephones that register at the server, as REST and events show them.

/** One registration of a telephone at the server. */
export interface PhoneRegistration {
  contact: string;
  user_agent: string | null;
  since: string;
  expires_at: string;
  address: string;
  transport: string;
}

/** A telephone that registers at the server. */
export interface OwnPhone {
  id: string;
  kind: 'phone';
  name: string | null;
  username: string;
  registrations: PhoneRegistration[];
  last_seen: string | null;
}

/** What is entered on one; the password is told once. */
export interface NewPhone extends OwnPhone {
  password: string;
  realm: string;
  server: string;
  port: number;
  transports: string[];
}

/** Where a telephone is now. */
export interface DeviceView {
  device_id: string;
  user_id: string;
  registrations: PhoneRegistration[];
  last_seen: string | null;
}
