// grpcgo serve: a gRPC server of bytes; prints "listening ADDR". grpcgo call ADDR [-host NAME] [-ca FILE]: a client that
// drives it through whatever is between, and prints "ok".
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Messages are bytes; no schema is needed to see whether they arrive.
type raw struct{}

func (raw) Name() string                  { return "raw" }
func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}

const limit = 64 << 20

// ---- server ----

type server struct {
	ended    sync.Map // name of a held call -> its context's error
	produced atomic.Int64
}

func (s *server) handle(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	var in []byte
	switch method {
	case "/go.Test/Echo":
		for {
			if err := stream.RecvMsg(&in); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			if err := stream.SendMsg(&in); err != nil {
				return err
			}
		}
	case "/go.Test/Hold": // begins, then waits until the caller is gone
		if err := stream.RecvMsg(&in); err != nil {
			return err
		}
		name := string(in)
		if err := stream.SendMsg(&in); err != nil {
			return err
		}
		<-stream.Context().Done()
		s.ended.Store(name, stream.Context().Err().Error())
		return stream.Context().Err()
	case "/go.Test/Ended": // how a held call ended, or nothing
		if err := stream.RecvMsg(&in); err != nil {
			return err
		}
		var out []byte
		if v, ok := s.ended.Load(string(in)); ok {
			out = []byte(v.(string))
		}
		return stream.SendMsg(&out)
	case "/go.Test/Fail": // trailers-only
		if err := stream.RecvMsg(&in); err != nil {
			return err
		}
		code, _ := strconv.Atoi(string(in))
		stream.SetTrailer(metadata.Pairs("x-why", "because"))
		return status.Error(codes.Code(code), "told to")
	case "/go.Test/FailLate":
		if err := stream.RecvMsg(&in); err != nil {
			return err
		}
		for i := 0; i < 3; i++ {
			if err := stream.SendMsg(&in); err != nil {
				return err
			}
		}
		return status.Error(codes.DataLoss, "after three")
	case "/go.Test/Produce": // as many messages of 64 KiB as were asked for
		if err := stream.RecvMsg(&in); err != nil {
			return err
		}
		n, _ := strconv.Atoi(string(in))
		out := bytes.Repeat([]byte("p"), 65536)
		s.produced.Store(0)
		for i := 0; i < n; i++ {
			if err := stream.SendMsg(&out); err != nil {
				return err
			}
			s.produced.Add(1)
		}
		return nil
	case "/go.Test/Produced":
		out := []byte(strconv.FormatInt(s.produced.Load(), 10))
		return stream.SendMsg(&out)
	}
	return status.Error(codes.Unimplemented, method)
}

func serve() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	s := &server{}
	g := grpc.NewServer(grpc.UnknownServiceHandler(s.handle), grpc.ForceServerCodec(raw{}), grpc.MaxRecvMsgSize(limit), grpc.MaxSendMsgSize(limit))
	fmt.Printf("listening %s\n", l.Addr())
	check(g.Serve(l))
}

// ---- client ----

var conn *grpc.ClientConn

func open(ctx context.Context, method string) grpc.ClientStream {
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/go.Test/"+method)
	check(err)
	return s
}

func ask(ctx context.Context, method string, in []byte) ([]byte, error) {
	var out []byte
	err := conn.Invoke(ctx, "/go.Test/"+method, &in, &out)
	return out, err
}

func limited(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

func expect(good bool, what string, args ...any) {
	if !good {
		log.Fatalf("not held: "+what, args...)
	}
}

func turns() {
	var wg sync.WaitGroup
	for i := 0; i < 40; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			ctx, cancel := limited(60 * time.Second)
			defer cancel()
			s := open(ctx, "Echo")
			for n := 0; n < 100; n++ {
				out := []byte(fmt.Sprintf("%d-%d-%s", i, n, bytes.Repeat([]byte("x"), n*17)))
				check(s.SendMsg(&out))
				var in []byte
				check(s.RecvMsg(&in))
				expect(bytes.Equal(in, out), "turn %d of stream %d came back as sent", n, i)
			}
			check(s.CloseSend())
			var in []byte
			expect(s.RecvMsg(&in) == io.EOF, "stream %d ends", i)
		}()
	}
	wg.Wait()
}

func unary() {
	var wg sync.WaitGroup
	for i := 0; i < 50; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := 0; n < 60; n++ {
				ctx, cancel := limited(30 * time.Second)
				want := []byte(fmt.Sprintf("%d/%d", i, n))
				got, err := ask(ctx, "Echo", want)
				cancel()
				check(err)
				expect(bytes.Equal(got, want), "unary %d/%d", i, n)
			}
		}()
	}
	wg.Wait()
}

func large() {
	ctx, cancel := limited(60 * time.Second)
	defer cancel()
	for _, size := range []int{0, 1, 65535, 65536, 1 << 20, 32 << 20} {
		want := bytes.Repeat([]byte("L"), size)
		got, err := ask(ctx, "Echo", want)
		check(err)
		expect(bytes.Equal(got, want), "a message of %d bytes", size)
	}
}

// The server must learn how a call ended, soon.
func waitEnded(name, want string) {
	end := time.Now().Add(10 * time.Second)
	for {
		ctx, cancel := limited(10 * time.Second)
		got, err := ask(ctx, "Ended", []byte(name))
		cancel()
		check(err)
		if string(got) == want {
			return
		}
		expect(time.Now().Before(end), "the server saw %q for %s, wanted %q", got, name, want)
		time.Sleep(5 * time.Millisecond)
	}
}

func cancellation() {
	ctx, cancel := context.WithCancel(context.Background())
	s := open(ctx, "Hold")
	name := []byte("cancel")
	check(s.SendMsg(&name))
	var in []byte
	check(s.RecvMsg(&in))
	cancel()
	expect(status.Code(s.RecvMsg(&in)) == codes.Canceled, "the caller sees Canceled")
	waitEnded("cancel", context.Canceled.Error())
}

func deadline() {
	ctx, cancel := limited(400 * time.Millisecond)
	defer cancel()
	s := open(ctx, "Hold")
	name := []byte("deadline")
	check(s.SendMsg(&name))
	var in []byte
	check(s.RecvMsg(&in))
	expect(status.Code(s.RecvMsg(&in)) == codes.DeadlineExceeded, "the caller sees DeadlineExceeded")
	end := time.Now().Add(10 * time.Second)
	for time.Now().Before(end) { // by its own clock or by our RST_STREAM, whichever comes first
		ctx, cancel := limited(10 * time.Second)
		got, err := ask(ctx, "Ended", name)
		cancel()
		check(err)
		if len(got) > 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	log.Fatal("not held: the server learns of a deadline")
}

func failures() {
	ctx, cancel := limited(30 * time.Second)
	defer cancel()
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		var trailer metadata.MD
		var out []byte
		in := []byte(strconv.Itoa(int(code)))
		err := conn.Invoke(ctx, "/go.Test/Fail", &in, &out, grpc.Trailer(&trailer))
		expect(status.Code(err) == code && status.Convert(err).Message() == "told to", "code %v: %v", code, err)
		expect(len(trailer["x-why"]) == 1, "metadata of a trailers-only answer: %v", trailer)
	}
	s := open(ctx, "FailLate")
	in := []byte("m")
	check(s.SendMsg(&in))
	for i := 0; i < 3; i++ {
		check(s.RecvMsg(&in))
	}
	expect(status.Code(s.RecvMsg(&in)) == codes.DataLoss, "a status after messages")
	_, err := ask(ctx, "Nothing", in)
	expect(status.Code(err) == codes.Unimplemented, "an unknown method: %v", err)
}

func slowReader() {
	ctx, cancel := limited(60 * time.Second)
	defer cancel()
	s := open(ctx, "Produce")
	n := []byte("1600") // 100 MiB
	check(s.SendMsg(&n))
	check(s.CloseSend())
	last := int64(-1)
	for { // until the windows between here and there are full
		got, err := ask(ctx, "Produced", nil)
		check(err)
		now, _ := strconv.ParseInt(string(got), 10, 64)
		if now == last && now > 0 {
			break
		}
		last = now
		time.Sleep(100 * time.Millisecond)
	}
	expect(last < 400, "a client that reads nothing was sent %d messages of 64 KiB", last)
	unary()
	count := 0
	for {
		var in []byte
		err := s.RecvMsg(&in)
		if err == io.EOF {
			break
		}
		check(err)
		expect(len(in) == 65536, "message %d is whole", count)
		count++
	}
	expect(count == 1600, "%d messages", count)
}

func call(args []string) {
	flags := flag.NewFlagSet("call", flag.ExitOnError)
	host := flags.String("host", "", "authority")
	ca := flags.String("ca", "", "file with the certificate to trust; TLS")
	address := args[0]
	check(flags.Parse(args[1:]))
	creds := insecure.NewCredentials()
	if *ca != "" {
		pem, err := os.ReadFile(*ca)
		check(err)
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		creds = credentials.NewTLS(&tls.Config{RootCAs: pool, ServerName: *host})
	}
	var err error
	conn, err = grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(creds), grpc.WithAuthority(*host), grpc.WithDisableRetry(),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{}), grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32)))
	check(err)
	for _, step := range []struct {
		name string
		run  func()
	}{{"unary", unary}, {"turns", turns}, {"large", large}, {"cancellation", cancellation}, {"deadline", deadline}, {"failures", failures}, {"slow reader", slowReader}} {
		begin := time.Now()
		step.run()
		fmt.Printf("%s %.2fs\n", step.name, time.Since(begin).Seconds())
	}
	fmt.Println("ok")
}

func check(err error) {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
}

func main() {
	log.SetFlags(log.Lshortfile)
	encoding.RegisterCodec(raw{})
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		serve()
	case len(os.Args) > 2 && os.Args[1] == "call":
		call(os.Args[2:])
	default:
		log.Fatal("grpcgo serve | grpcgo call ADDR [-host NAME] [-ca FILE]")
	}
}
