#ifndef module__version_h
#define module__version_h

#define SLUICE_VERSION "0.1.0"

#endif
