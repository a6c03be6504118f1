// A device that runs libsignal, spoken to in JSON lines: {"do": name, ...} in, {"ok": ...} or
// {"error": text} out, one answer a line, in order. Bytes are base64. Used by tests only.
// Usage: node peer.mjs FOLDER-WITH-NODE_MODULES
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { join } from "node:path";

const signal = createRequire(join(process.argv[2], "package.json"))("@signalapp/libsignal-client");

const bytes = (text) => Buffer.from(text, "base64");
const text = (buffer) => Buffer.from(buffer).toString("base64");

class Sessions extends signal.SessionStore {
  records = new Map();
  async saveSession(address, record) {
    this.records.set(address.toString(), record.serialize());
  }
  async getSession(address) {
    const stored = this.records.get(address.toString());
    return stored ? signal.SessionRecord.deserialize(stored) : null;
  }
  async getExistingSessions(addresses) {
    return Promise.all(addresses.map((address) => this.getSession(address)));
  }
}

class Identities extends signal.IdentityKeyStore {
  own = signal.PrivateKey.generate();
  known = new Map();
  async getIdentityKey() {
    return this.own;
  }
  async getLocalRegistrationId() {
    return 4711;
  }
  async saveIdentity(address, key) {
    this.known.set(address.toString(), key);
    return signal.IdentityChange.NewOrUnchanged;
  }
  async isTrustedIdentity(address, key) {
    const known = this.known.get(address.toString());
    return !known || Buffer.from(known.serialize()).equals(key.serialize());
  }
  async getIdentity(address) {
    return this.known.get(address.toString()) ?? null;
  }
}

class PreKeys extends signal.PreKeyStore {
  keys = new Map();
  async savePreKey(id, record) {
    this.keys.set(id, record);
  }
  async getPreKey(id) {
    if (!this.keys.has(id)) throw new Error(`no pre-key ${id}`);
    return this.keys.get(id);
  }
  async removePreKey(id) {
    this.keys.delete(id);
  }
}

class SignedPreKeys extends signal.SignedPreKeyStore {
  keys = new Map();
  async saveSignedPreKey(id, record) {
    this.keys.set(id, record);
  }
  async getSignedPreKey(id) {
    return this.keys.get(id);
  }
}

class KyberPreKeys extends signal.KyberPreKeyStore {
  keys = new Map();
  async saveKyberPreKey(id, record) {
    this.keys.set(id, record);
  }
  async getKyberPreKey(id) {
    return this.keys.get(id);
  }
  async markKyberPreKeyUsed(id) {
    this.keys.delete(id);
  }
}

class SenderKeys extends signal.SenderKeyStore {
  records = new Map();
  async saveSenderKey(sender, distributionId, record) {
    this.records.set(`${sender.toString()} ${distributionId}`, record.serialize());
  }
  async getSenderKey(sender, distributionId) {
    const stored = this.records.get(`${sender.toString()} ${distributionId}`);
    return stored ? signal.SenderKeyRecord.deserialize(stored) : null;
  }
}

const sessions = new Sessions();
const identities = new Identities();
const preKeys = new PreKeys();
const signedPreKeys = new SignedPreKeys();
const kyberPreKeys = new KyberPreKeys();
const senderKeys = new SenderKeys();
let nextId = 100;

const address = (of) => signal.ProtocolAddress.new(of.name, of.device);

const commands = {
  async bundle({ kyber }) {
    const identity = identities.own;
    const oneTime = signal.PrivateKey.generate();
    const signed = signal.PrivateKey.generate();
    const [oneTimeId, signedId, kyberId] = [nextId++, nextId++, nextId++];
    const signature = identity.sign(signed.getPublicKey().serialize());
    await preKeys.savePreKey(
      oneTimeId, signal.PreKeyRecord.new(oneTimeId, oneTime.getPublicKey(), oneTime));
    await signedPreKeys.saveSignedPreKey(
      signedId,
      signal.SignedPreKeyRecord.new(signedId, 0, signed.getPublicKey(), signed, signature));
    const bundle = {
      registration_id: await identities.getLocalRegistrationId(),
      identity_key: text(identity.getPublicKey().serialize()),
      pre_key: { id: oneTimeId, public: text(oneTime.getPublicKey().serialize()) },
      signed_pre_key: {
        id: signedId,
        public: text(signed.getPublicKey().serialize()),
        signature: text(signature),
      },
      kyber_pre_key: null,
    };
    if (kyber) {
      const pair = signal.KEMKeyPair.generate();
      const kyberSignature = identity.sign(pair.getPublicKey().serialize());
      await kyberPreKeys.saveKyberPreKey(
        kyberId, signal.KyberPreKeyRecord.new(kyberId, 0, pair, kyberSignature));
      bundle.kyber_pre_key = {
        id: kyberId,
        public: text(pair.getPublicKey().serialize()),
        signature: text(kyberSignature),
      };
    }
    return bundle;
  },

  async process({ from, bundle }) {
    const kyber = bundle.kyber_pre_key;
    const given = signal.PreKeyBundle.new(
      bundle.registration_id,
      from.device,
      bundle.pre_key?.id ?? null,
      bundle.pre_key ? signal.PublicKey.deserialize(bytes(bundle.pre_key.public)) : null,
      bundle.signed_pre_key.id,
      signal.PublicKey.deserialize(bytes(bundle.signed_pre_key.public)),
      bytes(bundle.signed_pre_key.signature),
      signal.PublicKey.deserialize(bytes(bundle.identity_key)),
      kyber?.id,
      kyber && signal.KEMPublicKey.deserialize(bytes(kyber.public)),
      kyber && bytes(kyber.signature),
    );
    await signal.processPreKeyBundle(given, address(from), sessions, identities);
    return null;
  },

  async encrypt({ to, plaintext }) {
    const message = await signal.signalEncrypt(
      bytes(plaintext), address(to), sessions, identities);
    return { type: message.type(), body: text(message.serialize()) };
  },

  async decrypt({ from, type, body }) {
    if (type === signal.CiphertextMessageType.PreKey) {
      const message = signal.PreKeySignalMessage.deserialize(bytes(body));
      return text(await signal.signalDecryptPreKey(
        message, address(from), sessions, identities, preKeys, signedPreKeys, kyberPreKeys));
    }
    const message = signal.SignalMessage.deserialize(bytes(body));
    return text(await signal.signalDecrypt(message, address(from), sessions, identities));
  },

  async distribute({ me, group }) {
    const message = await signal.SenderKeyDistributionMessage.create(
      address(me), group, senderKeys);
    return text(message.serialize());
  },

  async accept_distribution({ from, distribution }) {
    const message = signal.SenderKeyDistributionMessage.deserialize(bytes(distribution));
    await signal.processSenderKeyDistributionMessage(address(from), message, senderKeys);
    return null;
  },

  async group_encrypt({ me, group, plaintext }) {
    const message = await signal.groupEncrypt(address(me), group, senderKeys, bytes(plaintext));
    return { type: message.type(), body: text(message.serialize()) };
  },

  async group_decrypt({ from, body }) {
    return text(await signal.groupDecrypt(address(from), senderKeys, bytes(body)));
  },

  async ratchet_key_matches({ from, key }) {
    const record = await sessions.getSession(address(from));
    return record.currentRatchetKeyMatches(signal.PublicKey.deserialize(bytes(key)));
  },

  async verify({ key, message, signature }) {
    return signal.PublicKey.deserialize(bytes(key)).verify(bytes(message), bytes(signature));
  },

  async safety_number({ our_id, our_key, their_id, their_key }) {
    const ours = signal.PublicKey.deserialize(bytes(our_key));
    const theirs = signal.PublicKey.deserialize(bytes(their_key));
    return signal.Fingerprint.new(5200, 2, bytes(our_id), ours, bytes(their_id), theirs)
      .displayableFingerprint()
      .toString();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...given } = JSON.parse(line);
  let answer;
  try {
    answer = { ok: await commands[name](given) };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
