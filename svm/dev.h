/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dev.h - /dev/sevm.
 */
#ifndef SEVM_SVM_DEV_H
#define SEVM_SVM_DEV_H

int sevm_dev_register(void);
void sevm_dev_unregister(void);

#endif /* SEVM_SVM_DEV_H */
