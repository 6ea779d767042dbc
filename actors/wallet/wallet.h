#ifndef BOXOFFICE_WALLET_H
#define BOXOFFICE_WALLET_H

#include "behaviour.h"

/* Point wallets, one actor for each user. A wallet that was never written is a valid empty one. */
enum { WALLET_KIND = 1 };

extern const struct actor_kind wallet_kind;
extern const struct behaviour wallet_behaviour;

#endif
