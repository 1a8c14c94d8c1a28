/** A whole system to start from: two chassis of two cards with everything that can be configured. */
export const configurationExample: string = `// Two chassis of two cards each, which serve a mirrored device, a filesystem and a web server.
{
  "$schema": "./configuration.schema.json",
  "system": { "name": "rack-7", "location": "Hall B, row 4", "contact": "storage@example.org" },
  "chassis": {
    "1": { "name": "upper", "model": "CX-2" },
    "2": { "name": "lower", "model": "CX-2" }
  },
  "cards": {
    "1/1": {
      "name": "upper-left",
      "links": {
        "public": { "kind": "ether", "interface": "eth0" },
        "private": { "kind": "serial", "device": "/dev/ttyS1" }
      },
      "portGroups": { "front": { "interfaces": ["eth2", "eth3"] } }
    },
    "1/2": {
      "name": "upper-right",
      "links": {
        "public": { "kind": "ether", "interface": "eth0" },
        "private": { "kind": "serial", "device": "/dev/ttyS1" }
      },
      "portGroups": { "front": { "interfaces": ["eth2", "eth3"] } }
    },
    "2/1": {
      "name": "lower-left",
      "links": {
        "public": { "kind": "ether", "interface": "eth0" },
        "private": { "kind": "serial", "device": "/dev/ttyS1" }
      }
    },
    "2/2": {
      "name": "lower-right",
      "capacity": 50,
      "links": {
        "public": { "kind": "ether", "interface": "eth0" },
        "private": { "kind": "serial", "device": "/dev/ttyS1" }
      }
    }
  },
  "failoverSets": {
    "upper": { "members": { "1/1": { "rank": 1 }, "1/2": { "rank": 2 } } },
    "lower": { "members": { "2/1": { "rank": 1 }, "2/2": { "rank": 2 } } },
    // The lower chassis serves only when nobody in the upper one can.
    "both": {
      "composition": "hierarchical",
      "failback": "automatic",
      "members": { "first": { "memberSet": "upper", "rank": 1 }, "second": { "memberSet": "lower", "rank": 2 } }
    },
    // Three cards are active, the fourth one waits.
    "web": {
      "composition": "n-way",
      "members": { "1/1": {}, "1/2": {}, "2/1": {}, "2/2": { "spare": true } }
    },
    // A scanner goes on as long as one of its two cards does.
    "scanning": {
      "composition": "hierarchical",
      "members": { "scanner": { "device": "scanner" }, "spare-ports": { "portGroup": "1/2/front", "rank": 200 } }
    }
  },
  "services": {
    "files": { "set": "both", "weight": 40 },
    "intranet": { "set": "web", "preferred": ["1/2", "2/1"] },
    "scans": { "set": "scanning", "priority": -10 }
  },
  "resources": {
    "data": {
      "kind": "device",
      "service": "files",
      "blockBytes": 4096,
      "subgroups": {
        "above": {
          "role": "primary",
          "members": {
            "1/1": { "path": "/dev/disk/by-id/wwn-0x5000c500a1b2c301" },
            "1/2": { "path": "/dev/disk/by-id/wwn-0x5000c500a1b2c301" }
          }
        },
        "below": {
          "members": {
            "2/1": { "path": "/dev/disk/by-id/wwn-0x5000c500a1b2c302" },
            "2/2": { "path": "/dev/disk/by-id/wwn-0x5000c500a1b2c302" }
          }
        }
      }
    },
    "files-fs": {
      "kind": "filesystem",
      "service": "files",
      "device": "data",
      "mountPoint": "/srv/files",
      "filesystem": "xfs",
      "mountOptions": ["noatime"]
    },
    "files-ip": { "kind": "address", "service": "files", "address": "192.0.2.10", "prefix": 24, "interface": "eth1" },
    "web-ip": { "kind": "address", "service": "intranet", "address": "2001:db8::80", "prefix": 64, "interface": "eth1" },
    "web-server": {
      "kind": "application",
      "service": "intranet",
      "agent": "systemd",
      "unit": "nginx.service",
      "monitorPeriodS": 5,
      "needs": ["web-ip"]
    },
    "scanner": {
      "kind": "imagingDevice",
      "service": "scans",
      "subgroups": {
        "desk": { "role": "primary", "members": { "1/1": { "path": "/dev/bus/usb/001/004" }, "1/2": { "path": "/dev/bus/usb/001/004" } } }
      }
    },
    "scan-server": {
      "kind": "application",
      "service": "scans",
      "start": ["/usr/libexec/scan-server", "start"],
      "stop": ["/usr/libexec/scan-server", "stop"],
      "monitor": ["/usr/libexec/scan-server", "status"],
      "environment": { "SCANNER_MODE": "duplex" },
      "needs": ["scanner"]
    }
  },
  "exports": {
    "volume-1": {
      "device": "data",
      "target": "iqn.2026-01.org.example:volume-1",
      "protocol": "iscsi",
      "mode": "active-active",
      "paths": {
        "1/1": { "portGroup": "1/1/front", "address": "192.0.2.11" },
        "1/2": { "portGroup": "1/2/front", "address": "192.0.2.12" },
        "2/1": { "preference": "non-optimized", "address": "192.0.2.21" },
        "2/2": { "preference": "non-optimized", "address": "192.0.2.22", "weight": 50 }
      }
    }
  },
  "hosts": {
    "db-1": {
      "initiator": "iqn.2026-01.org.example:db-1",
      "addresses": ["192.0.2.101"],
      "access": { "volume-1": { "lun": 0 } }
    },
    "backup": {
      "initiator": "iqn.2026-01.org.example:backup",
      "addresses": ["192.0.2.128/28", "2001:db8:0:7::/64"],
      "access": { "volume-1": { "lun": 1, "mode": "read-only" } }
    }
  },
  "policies": { "failback": "controlled", "failbackAfterS": 900, "restartsMax": 2 },
  "users": {
    "alice": { "role": "administrator", "fullName": "Alice Example" },
    "bob": { "role": "viewer" }
  },
  // The secret of a token is made by the system; its SHA-256 is all that is kept.
  "tokens": {
    "monitoring": {
      "role": "viewer",
      "user": "bob",
      "enabled": false,
      "sha256": "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c"
    }
  }
}
`;
