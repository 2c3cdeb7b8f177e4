// SPDX-License-Identifier: GPL-2.0-only
/*
 * serial.c - a 16550A UART on stdio, with its interrupt, FIFOs and loopback.
 *
 * Sending takes no time: the transmitter is always empty. Linux's driver sends
 * from the "transmitter empty" interrupt, so each transmission must make a new
 * edge on the line. Caller holds the platform's lock (ports.c).
 */
#include "sevm-run.h"

#define SERIAL_IRQ	4
#define RX_SIZE		1024		/* a power of two */

/* Registers, and those behind the divisor latch bit. */
enum { DATA, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCRATCH };

#define IER_RX		BIT(0)
#define IER_TX		BIT(1)
#define IER_MASK	0x0f

#define IIR_NONE	0x01
#define IIR_TX		0x02
#define IIR_RX		0x04
#define IIR_FIFO	0xc0

#define FCR_ENABLE	BIT(0)
#define FCR_CLEAR_RX	BIT(1)

#define LCR_DIVISOR	BIT(7)

#define MCR_DTR		BIT(0)
#define MCR_RTS		BIT(1)
#define MCR_OUT1	BIT(2)
#define MCR_OUT2	BIT(3)
#define MCR_LOOP	BIT(4)
#define MCR_MASK	0x1f

#define LSR_RX		BIT(0)
#define LSR_TX_EMPTY	0x60

#define MSR_CTS		BIT(4)
#define MSR_DSR		BIT(5)
#define MSR_RING	BIT(6)
#define MSR_DCD		BIT(7)

static struct {
	uint8_t ier, lcr, mcr, scratch, fifo;
	uint8_t divisor[2];
	bool tx_pending;		/* "transmitter empty" not yet seen by IIR */
	bool line;
	uint8_t rx[RX_SIZE];
	unsigned int rx_in, rx_out;	/* free running */
} uart;

static bool rx_pending(void)
{
	return uart.rx_in != uart.rx_out;
}

static uint8_t interrupt(void)
{
	if ((uart.ier & IER_RX) && rx_pending())
		return IIR_RX;
	if ((uart.ier & IER_TX) && uart.tx_pending)
		return IIR_TX;
	return IIR_NONE;
}

/* On a PC, OUT2 is the gate between the UART and its interrupt line. */
static void update_line(void)
{
	bool level = interrupt() != IIR_NONE && (uart.mcr & MCR_OUT2) &&
		     !(uart.mcr & MCR_LOOP);

	if (level != uart.line) {
		uart.line = level;
		irq_set(SERIAL_IRQ, level);
	}
}

static void tx_done(void)
{
	uart.tx_pending = false;
	update_line();
	uart.tx_pending = true;
	update_line();
}

static void receive(uint8_t c)
{
	if (uart.rx_in - uart.rx_out < RX_SIZE)
		uart.rx[uart.rx_in++ % RX_SIZE] = c;
}

static uint8_t modem_status(void)
{
	uint8_t status = 0;

	if (!(uart.mcr & MCR_LOOP))
		return MSR_DCD | MSR_DSR | MSR_CTS;
	if (uart.mcr & MCR_DTR)
		status |= MSR_DSR;
	if (uart.mcr & MCR_RTS)
		status |= MSR_CTS;
	if (uart.mcr & MCR_OUT1)
		status |= MSR_RING;
	if (uart.mcr & MCR_OUT2)
		status |= MSR_DCD;
	return status;
}

static uint8_t read_interrupt(void)
{
	uint8_t id = interrupt();

	if (id == IIR_TX) {
		uart.tx_pending = false;
		update_line();
	}
	return id | (uart.fifo ? IIR_FIFO : 0);
}

static uint8_t read_data(void)
{
	uint8_t c = 0;

	if (rx_pending())
		c = uart.rx[uart.rx_out++ % RX_SIZE];
	update_line();
	return c;
}

uint8_t serial_read(unsigned int reg)
{
	bool divisor = uart.lcr & LCR_DIVISOR;

	switch (reg) {
	case DATA:
		return divisor ? uart.divisor[0] : read_data();
	case IER:
		return divisor ? uart.divisor[1] : uart.ier;
	case IIR_FCR:
		return read_interrupt();
	case LCR:
		return uart.lcr;
	case MCR:
		return uart.mcr;
	case LSR:
		return LSR_TX_EMPTY | (rx_pending() ? LSR_RX : 0);
	case MSR:
		return modem_status();
	default:
		return uart.scratch;
	}
}

static void write_data(uint8_t value)
{
	if (uart.mcr & MCR_LOOP)
		receive(value);
	else
		console_put(value);
	tx_done();
}

static void write_ier(uint8_t value)
{
	bool enabled = (value & IER_TX) && !(uart.ier & IER_TX);

	uart.ier = value & IER_MASK;
	if (enabled)
		tx_done();
	else
		update_line();
}

void serial_write(unsigned int reg, uint8_t value)
{
	bool divisor = uart.lcr & LCR_DIVISOR;

	switch (reg) {
	case DATA:
		if (divisor)
			uart.divisor[0] = value;
		else
			write_data(value);
		break;
	case IER:
		if (divisor)
			uart.divisor[1] = value;
		else
			write_ier(value);
		break;
	case IIR_FCR:
		uart.fifo = value & FCR_ENABLE;
		if (value & FCR_CLEAR_RX)
			uart.rx_out = uart.rx_in;
		update_line();
		break;
	case LCR:
		uart.lcr = value;
		break;
	case MCR:
		uart.mcr = value & MCR_MASK;
		update_line();
		break;
	case SCRATCH:
		uart.scratch = value;
		break;
	}
}

/* How much input fits; read without the lock, only ever too low or just right. */
size_t serial_room(void)
{
	return RX_SIZE - (__atomic_load_n(&uart.rx_in, __ATOMIC_RELAXED) -
			  __atomic_load_n(&uart.rx_out, __ATOMIC_RELAXED));
}

void serial_input(const uint8_t *data, size_t size)
{
	while (size--)
		receive(*data++);
	update_line();
}
